// x86-64 with AVX2, FMA and F16C.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
BEGIN_TARGET(AVX2)
#include "dispatch/vector.inc"
#include "training/product.inc"
#include "training/gradient.inc"
#include "training/adamw.inc"

const tk_training_kernels tk_training_avx2 = {
    .product = product, .softmax_backward = softmax_backward, .swiglu_backward = swiglu_backward,
    .head_backward = head_backward, .adamw_step = adamw_step, .square_sum = square_sum,
};
END_TARGET
#endif
