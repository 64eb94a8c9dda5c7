// x86-64 with AVX2, FMA and F16C; processors with AVX-512 use it too.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
BEGIN_TARGET(AVX2)
#include "dispatch/vector.inc"
#include "quant/dequantise.inc"
#include "quant/quantise.inc"

const tk_block_kernels tk_blocks_avx2 = {dequantise, quantise};
END_TARGET
#endif
