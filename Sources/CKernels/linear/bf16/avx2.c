// x86-64 with AVX2 and FMA: bf16 is widened, and the processor told to flush meanwhile.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define TK_HALF_IN_HARDWARE
#define TK_BF16_FLUSHES
BEGIN_TARGET(AVX2)
#include "dispatch/vector.inc"
#include "linear/bf16/bf16.inc"

const tk_bf16 tk_bf16_avx2 = {bf16_linear, PANEL_ROWS};
END_TARGET
#endif
