// arm64.
#include "dispatch/kernel.h"

#if defined(__aarch64__)
#define TK_HALF_IN_HARDWARE
#include "dispatch/vector.inc"
#include "training/product.inc"
#include "training/gradient.inc"
#include "training/adamw.inc"

const tk_training_kernels tk_training_neon = {
    .product = product, .softmax_backward = softmax_backward, .swiglu_backward = swiglu_backward,
    .head_backward = head_backward, .adamw_step = adamw_step, .square_sum = square_sum,
};
#endif
