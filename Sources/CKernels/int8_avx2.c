// x86-64 with AVX2: bytes are multiplied in pairs.
#include "kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "table.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#define TK_MADDUBS
#define LANES 8
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "vector.inc"
#include "include/tk_quant.h"
#include "int8.inc"

const tk_int8 tk_int8_avx2 = {int8_quantise, int8_linear, PANEL_ROWS};
#pragma clang attribute pop
#endif
