// x86-64 with AVX-512: 32 registers of 16 floats.
#include "dispatch/kernel.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#define TK_PAIRS
BEGIN_TARGET(AVX512)
#include "dispatch/vector.inc"
#include "training/product.inc"
#include "training/gradient.inc"
#include "training/adamw.inc"

const tk_training_kernels tk_training_avx512 = {
    .product = product, .softmax_backward = softmax_backward, .swiglu_backward = swiglu_backward,
    .head_backward = head_backward, .adamw_step = adamw_step, .square_sum = square_sum,
};
END_TARGET
#endif
