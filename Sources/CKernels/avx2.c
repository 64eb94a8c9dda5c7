// x86-64 with AVX2, FMA and F16C.
#include "kernel.h"

#include <math.h>
#include <string.h>

#include "bf16.h"
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

const tk_kernels tk_kernels_avx2 = TK_KERNELS("avx2", &tk_int8_avx2, &tk_bf16_avx2);
const tk_kernels tk_kernels_avxvnni = TK_KERNELS("avxvnni", &tk_int8_avxvnni, &tk_bf16_avx2);
#pragma clang attribute pop
#endif
