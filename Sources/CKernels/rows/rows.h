// What works on one row at a time, on each path of instructions.
#ifndef TK_ROW_KERNELS_H
#define TK_ROW_KERNELS_H

#include "ckernels.h"

typedef struct tk_row_kernels {
  void (*rope)(float *x, size_t heads, size_t head_dim, const float *cosine, const float *sine);
  void (*rmsnorm)(const float *x, size_t dim, const float *weight, float eps, float *y);
  void (*swiglu)(float *gate, const float *up, size_t count);
  void (*geglu)(float *gate, const float *up, size_t count);
  void (*from_f32)(const float *x, void *y, tk_type type, size_t count);
  void (*to_f32)(const void *x, tk_type type, float *y, size_t count);
  float (*exp)(float x);
} tk_row_kernels;

extern const tk_row_kernels tk_rows_portable, tk_rows_avx2, tk_rows_avx512, tk_rows_neon;

#endif
