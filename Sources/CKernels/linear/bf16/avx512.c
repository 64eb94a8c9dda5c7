// x86-64 with AVX512-BF16: two products of bf16 a lane in one instruction.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define TK_HALF_IN_HARDWARE
#define TK_BF16_512
BEGIN_TARGET(AVX512 ",avx512bf16")
#include "dispatch/vector.inc"
#include "linear/bf16/bf16.inc"

const tk_bf16 tk_bf16_avx512 = {bf16_linear, PANEL_ROWS};
END_TARGET
#endif
