// x86-64 with AVX2, FMA and F16C.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
BEGIN_TARGET(AVX2)
#include "dispatch/vector.inc"
#include "rows/rows.inc"

const tk_row_kernels tk_rows_avx2 = {
    .rope = rope, .rmsnorm = rmsnorm, .swiglu = swiglu, .from_f32 = from_f32, .to_f32 = to_f32, .exp = exp_one,
};
END_TARGET
#endif
