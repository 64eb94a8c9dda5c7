// What each path of instructions provides; dispatch.c chooses one.
#ifndef TK_TABLE_H
#define TK_TABLE_H

#include "include/ckernels.h"

typedef struct tk_kernels {
  const char *name;
  // Rows first ..< last of one map, for all of its n inputs.
  void (*linear)(const tk_linear_args *map, size_t first, size_t last);
  void (*attention)(const tk_attention_shape *shape, const tk_attention_row *row, size_t kv_head, float *scores);
  void (*rmsnorm)(const float *x, size_t dim, const float *weight, float eps, float *y);
  void (*swiglu)(float *gate, const float *up, size_t count);
  void (*from_f32)(const float *x, void *y, tk_type type, size_t count);
  void (*to_f32)(const void *x, tk_type type, float *y, size_t count);
  float (*exp)(float x);
} tk_kernels;

extern const tk_kernels tk_kernels_portable;
#if defined(__x86_64__)
extern const tk_kernels tk_kernels_avx2;
#endif
#if defined(__aarch64__)
extern const tk_kernels tk_kernels_neon;
#endif

const tk_kernels *tk_current(void);

#endif
