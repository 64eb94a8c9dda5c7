// x86-64 with AVX-VNNI: four bytes at once, in registers of 256 bits.
#include "kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "table.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#define TK_VNNI_256
#define LANES 8
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
#include "vector.inc"
#include "include/tk_quant.h"
#include "int8.inc"

const tk_int8 tk_int8_avxvnni = {int8_quantise, int8_linear, PANEL_ROWS};
#pragma clang attribute pop
#endif
