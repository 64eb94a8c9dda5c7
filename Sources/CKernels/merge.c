// Chooses the merging kernels by the path that all kernels take.
#include "kernel.h"

#include "merge.h"

#include <string.h>

static const tk_merge_kernels *current(void) {
#if defined(__x86_64__)
  // Every path but the portable one has AVX2.
  if (strcmp(tk_isa(), "portable") != 0) return &tk_merge_avx2;
#endif
  return &tk_merge_portable;
}

void tk_merge_pack(const void *a, tk_type type, size_t rows, size_t columns, size_t rank, size_t first,
                      float *packed) {
  current()->pack(a, type, rows, columns, rank, first, packed);
}

void tk_merge_delta(const float *b, const float *packed, size_t rows, size_t rank, size_t columns, float *delta) {
  current()->low_rank(b, packed, rows, rank, columns, delta);
}

void tk_merge(const void *weights, tk_type type, const float *delta, size_t count, void *output,
              tk_type output_type, tk_rounding rounding, uint64_t first, tk_merge_sums *sums) {
  current()->merge(weights, type, delta, count, output, output_type, rounding, first, sums);
}

void tk_merge_measure(const float *before, const float *after, const float *delta, size_t count,
                      tk_merge_sums *sums) {
  current()->measure(before, after, delta, count, sums);
}

uint64_t tk_convert(const void *weights, tk_type type, size_t count, void *output, tk_type output_type) {
  return current()->convert(weights, type, count, output, output_type);
}
