// x86-64 with AVX2, FMA and F16C.
#include <math.h>
#include <string.h>

#include "int8.h"
#include "table.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#define TK_SIXTEEN_REGISTERS
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "vector.inc"
#include "tile.inc"
#include "linear.inc"
#include "rows.inc"
#include "attention.inc"
#include "product.inc"
#include "gradient.inc"

#define KERNELS(NAME, INT8)                                                                                \
  {                                                                                                        \
    .name = NAME, .linear = linear, .attention = attention, .rmsnorm = rmsnorm, .swiglu = swiglu,          \
    .rope = rope, .from_f32 = from_f32, .to_f32 = to_f32, .exp = exp_one, .int8 = INT8,                    \
    .product = product, .softmax_backward = softmax_backward, .swiglu_backward = swiglu_backward,          \
    .head_backward = head_backward, .adamw_step = adamw_step, .square_sum = square_sum,                    \
  }
const tk_kernels tk_kernels_avx2 = KERNELS("avx2", &tk_int8_avx2);
const tk_kernels tk_kernels_avxvnni = KERNELS("avxvnni", &tk_int8_avxvnni);
#pragma clang attribute pop
#endif
