// Merging on each path of instructions.
#ifndef TK_MERGE_KERNELS_H
#define TK_MERGE_KERNELS_H

#include "ckernels.h"

typedef struct tk_merge_kernels {
  void (*pack)(const void *a, tk_type type, size_t rows, size_t columns, size_t rank, size_t first, float *packed);
  void (*low_rank)(const float *b, const float *packed, size_t rows, size_t rank, size_t columns, float *delta);
  void (*merge)(const void *weights, tk_type type, const float *delta, size_t count, void *output,
                tk_type output_type, tk_rounding rounding, uint64_t first, tk_merge_sums *sums);
  void (*measure)(const float *before, const float *after, const float *delta, size_t count, tk_merge_sums *sums);
  uint64_t (*convert)(const void *weights, tk_type type, size_t count, void *output, tk_type output_type);
} tk_merge_kernels;

extern const tk_merge_kernels tk_merge_portable, tk_merge_avx2;

#endif
