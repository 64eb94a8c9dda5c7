// x86-64 with AVX2, FMA and F16C.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#define TK_SIXTEEN_REGISTERS
BEGIN_TARGET(AVX2)
#include "dispatch/vector.inc"
#include "linear/tile.inc"
#include "attention/attention.inc"

const tk_attention_kernels tk_attention_avx2 = {attention};
END_TARGET
#endif
