// x86-64 with AVX-512 VNNI: four bytes at once, in registers of 512 bits.
#include "kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "table.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#define TK_VNNI_512
#define LANES 16
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512dq,avx512bw,avx512vl,avx512vnni"))), apply_to = function)
#include "vector.inc"
#include "include/tk_quant.h"
#include "int8.inc"

const tk_int8 tk_int8_avx512vnni = {int8_quantise, int8_linear, PANEL_ROWS};
#pragma clang attribute pop
#endif
