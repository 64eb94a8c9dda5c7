// x86-64 with AVX512-BF16: two products of bf16 a lane in one instruction.
#include "kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "table.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#define TK_BF16_512
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512dq,avx512bw,avx512vl,avx512bf16"))), apply_to = function)
#include "vector.inc"
#include "bf16.inc"

const tk_bf16 tk_bf16_avx512 = {bf16_linear, PANEL_ROWS};
#pragma clang attribute pop
#endif
