// x86-64 with AVX2, FMA and F16C.
#include "kernel.h"

#include <math.h>
#include <string.h>

#include "merge.h"
#include "table.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "vector.inc"
#include "merge.inc"

const tk_merge_kernels tk_merge_avx2 = {
    .pack = pack, .low_rank = low_rank, .merge = merge, .measure = measure, .convert = convert,
};
#pragma clang attribute pop
#endif
