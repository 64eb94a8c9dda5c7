// Merging on the path in use.
#include "dispatch/kernel.h"
#include "dispatch/paths.h"

void tk_merge_pack(const void *a, tk_type type, size_t rows, size_t columns, size_t rank, size_t first,
                      float *packed) {
  tk_current()->merge->pack(a, type, rows, columns, rank, first, packed);
}

void tk_merge_delta(const float *b, const float *packed, size_t rows, size_t rank, size_t columns, float *delta) {
  tk_current()->merge->low_rank(b, packed, rows, rank, columns, delta);
}

void tk_merge(const void *weights, tk_type type, const float *delta, size_t count, void *output,
              tk_type output_type, tk_rounding rounding, uint64_t first, tk_merge_sums *sums) {
  tk_current()->merge->merge(weights, type, delta, count, output, output_type, rounding, first, sums);
}

void tk_merge_measure(const float *before, const float *after, const float *delta, size_t count,
                      tk_merge_sums *sums) {
  tk_current()->merge->measure(before, after, delta, count, sums);
}

uint64_t tk_convert(const void *weights, tk_type type, size_t count, void *output, tk_type output_type) {
  return tk_current()->merge->convert(weights, type, count, output, output_type);
}
