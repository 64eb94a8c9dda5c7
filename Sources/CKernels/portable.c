// Any processor: the oracle for the other paths.
#include <math.h>
#include <string.h>

#include "int8.h"
#include "table.h"

#include "vector.inc"
#include "tile.inc"
#include "linear.inc"
#include "rows.inc"
#include "attention.inc"
#include "product.inc"
#include "gradient.inc"

const tk_kernels tk_kernels_portable = {
    .name = "portable", .linear = linear, .attention = attention, .rmsnorm = rmsnorm, .swiglu = swiglu, .rope = rope,
    .from_f32 = from_f32, .to_f32 = to_f32, .exp = exp_one, .int8 = &tk_int8_portable,
    .product = product, .softmax_backward = softmax_backward, .swiglu_backward = swiglu_backward,
    .head_backward = head_backward, .adamw_step = adamw_step, .square_sum = square_sum,
};
