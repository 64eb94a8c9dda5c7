// x86-64 with AVX-512: 32 registers of 16 floats, each holding the 8 lanes of two rows.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define TK_PATH avx512
#define TK_HALF_IN_HARDWARE
#define TK_PAIRS
BEGIN_TARGET(AVX512)
#include "dispatch/wide.inc"
END_TARGET
#endif
