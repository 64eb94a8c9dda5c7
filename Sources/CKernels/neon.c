// arm64.
#include <math.h>
#include <string.h>

#include "int8.h"
#include "table.h"

#if defined(__aarch64__)
#define TK_HALF_IN_HARDWARE
#include "vector.inc"
#include "tile.inc"
#include "linear.inc"
#include "rows.inc"
#include "attention.inc"

const tk_kernels tk_kernels_neon = {
    .name = "neon", .linear = linear, .attention = attention, .rmsnorm = rmsnorm, .swiglu = swiglu, .rope = rope,
    .from_f32 = from_f32, .to_f32 = to_f32, .exp = exp_one, .int8 = &tk_int8_neon,
};
#endif
