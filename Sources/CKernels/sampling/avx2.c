// x86-64 with AVX2, FMA and F16C; processors with AVX-512 use it too.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
BEGIN_TARGET(AVX2)
#include "dispatch/vector.inc"
#include "sampling/sampling.inc"

const tk_sampling_kernels tk_sampling_avx2 = {.sample = sample, .score = score, .softmax = softmax};
END_TARGET
#endif
