// What the machine can do at best, on each path of instructions.
#ifndef TK_LIMIT_KERNELS_H
#define TK_LIMIT_KERNELS_H

#include "ckernels.h"

typedef struct tk_limit_kernels {
  uint64_t (*read)(const char *data);    // 1 MiB, summed
  float (*multiply_add)(size_t rounds);  // 12 independent registers in each round
  size_t lanes;                          // float32 in a register
} tk_limit_kernels;

extern const tk_limit_kernels tk_limits_portable, tk_limits_avx2, tk_limits_avx512, tk_limits_neon;

#endif
