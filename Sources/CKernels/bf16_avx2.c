// x86-64 with AVX2 and FMA: bf16 is widened, and the processor told to flush meanwhile.
#include "kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "table.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#define TK_BF16_FLUSHES
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "vector.inc"
#include "bf16.inc"

const tk_bf16 tk_bf16_avx2 = {bf16_linear, PANEL_ROWS};
#pragma clang attribute pop
#endif
