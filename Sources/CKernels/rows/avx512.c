// x86-64 with AVX-512: 32 registers of 16 floats.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
BEGIN_TARGET(AVX512)
#include "dispatch/vector.inc"
#include "rows/rows.inc"

const tk_row_kernels tk_rows_avx512 = {
    .rope = rope, .rmsnorm = rmsnorm, .swiglu = swiglu, .from_f32 = from_f32, .to_f32 = to_f32, .exp = exp_one,
};
END_TARGET
#endif
