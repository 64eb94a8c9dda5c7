// x86-64 with AVX-512: 32 registers of 16 floats, each holding the 8 lanes of two rows.
#include "kernel.h"

#include <math.h>
#include <string.h>

#include "bf16.h"
#include "int8.h"
#include "table.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#define TK_PAIRS
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512dq,avx512bw,avx512vl"))),      \
                             apply_to = function)
#include "vector.inc"
#include "tile.inc"
#include "linear.inc"
#include "rows.inc"
#include "attention.inc"
#include "product.inc"
#include "gradient.inc"

const tk_kernels tk_kernels_avx512_without_vnni = TK_KERNELS("avx512", &tk_int8_avx2, &tk_bf16_avx2);
const tk_kernels tk_kernels_avx512_vnni = TK_KERNELS("avx512", &tk_int8_avx512vnni, &tk_bf16_avx2);
const tk_kernels tk_kernels_avx512 = TK_KERNELS("avx512", &tk_int8_avx512vnni, &tk_bf16_avx512);
#pragma clang attribute pop
#endif
