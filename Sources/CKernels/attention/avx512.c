// x86-64 with AVX-512: 32 registers of 16 floats, each holding the 8 lanes of two rows.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#define TK_PAIRS
BEGIN_TARGET(AVX512)
#include "dispatch/vector.inc"
#include "linear/tile.inc"
#include "attention/attention.inc"

const tk_attention_kernels tk_attention_avx512 = {attention};
END_TARGET
#endif
