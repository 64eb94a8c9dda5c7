// Any processor: the oracle for the other paths.
#include "dispatch/kernel.h"

#include "dispatch/vector.inc"
#include "rows/rows.inc"

const tk_row_kernels tk_rows_portable = {
    .rope = rope, .rmsnorm = rmsnorm, .swiglu = swiglu, .from_f32 = from_f32, .to_f32 = to_f32, .exp = exp_one,
};
