// arm64.
#include "dispatch/kernel.h"

#if defined(__aarch64__)
#define TK_HALF_IN_HARDWARE
#include "dispatch/vector.inc"
#include "rows/rows.inc"

const tk_row_kernels tk_rows_neon = {
    .rope = rope, .rmsnorm = rmsnorm, .swiglu = swiglu, .from_f32 = from_f32, .to_f32 = to_f32, .exp = exp_one,
};
#endif
