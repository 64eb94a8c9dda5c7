// x86-64 with AVX2, FMA and F16C; processors with AVX-512 use it too.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
BEGIN_TARGET(AVX2)
#include "dispatch/vector.inc"
#include "merge/merge.inc"

const tk_merge_kernels tk_merge_avx2 = {
    .pack = pack, .low_rank = low_rank, .merge = merge, .measure = measure, .convert = convert,
};
END_TARGET
#endif
