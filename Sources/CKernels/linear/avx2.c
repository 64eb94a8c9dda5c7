// x86-64 with AVX2, FMA and F16C.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#define TK_SIXTEEN_REGISTERS
BEGIN_TARGET(AVX2)
#include "dispatch/vector.inc"
#include "linear/tile.inc"
#include "linear/linear.inc"

const tk_linear_kernels tk_linear_avx2 = {linear};
END_TARGET
#endif
