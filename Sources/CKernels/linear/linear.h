// Linear maps of F32, F16 and BF16 weights against float32 inputs, on each path of instructions.
#ifndef TK_LINEAR_KERNELS_H
#define TK_LINEAR_KERNELS_H

#include <stdatomic.h>

#include "ckernels.h"

// Inputs that one chunk of a linear map takes, and outputs whose accumulators it parks (128 KB of stack).
#define TK_COLUMNS 60
#define TK_PARKED 3840

// Opens when the A x of all low-rank terms of a region are done.
typedef struct tk_gate {
  _Atomic size_t done;
  size_t target;
} tk_gate;
void tk_gate_wait(tk_gate *gate);

typedef struct tk_linear_kernels {
  // Rows first ..< last of one map, for its inputs from ..< from + count; the dot product is multiplied by scale.
  // (last - first, rounded up to a multiple of 8) × count is at most TK_PARKED, count at most TK_COLUMNS.
  // `then` is a hint: the weights that the thread probably needs next.
  void (*linear)(const tk_linear_args *map, float scale, size_t first, size_t last, size_t from, size_t count,
                 const void *then, tk_gate *gate);
} tk_linear_kernels;

extern const tk_linear_kernels tk_linear_portable, tk_linear_avx2, tk_linear_avx512, tk_linear_neon;

#endif
