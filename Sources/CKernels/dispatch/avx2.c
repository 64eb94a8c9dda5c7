// x86-64 with AVX2, FMA and F16C.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#define TK_PATH avx2
#define TK_HALF_IN_HARDWARE
#define TK_SIXTEEN_REGISTERS
BEGIN_TARGET(AVX2)
#include "dispatch/wide.inc"
#include "dispatch/narrow.inc"
END_TARGET
#endif
