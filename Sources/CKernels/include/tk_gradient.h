// Rows of the backward pass that are no products: softmax, activation, head. Each result depends on its row alone, and
// has the same bits on every path: sums run in 8 lanes by (index mod 8), reduced as in ckernels.h.
#ifndef TK_GRADIENT_H
#define TK_GRADIENT_H

#include "ckernels.h"

// p: `count` scores become probabilities. d: gradients of the probabilities become those of what the scores were
// scaled from: d = p * (d - mean) * scale, mean being the gradient's mean under p.
void tk_softmax_backward(float *_Nonnull p, float *_Nonnull d, size_t count, float mean, float scale);

// Of y = silu(gate) * up: d, the gradient of y, becomes that of the gate; d_up is that of up.
void tk_swiglu_backward(const float *_Nonnull gate, const float *_Nonnull up, float *_Nonnull d, float *_Nonnull d_up,
                        size_t count);

// With p = exp(logit * factor - log_sum): returns the sum of p * logit * factor; with `differentiates`, each logit
// becomes -p * factor.
double tk_head_backward(float *_Nonnull logits, size_t count, float factor, float log_sum, bool differentiates);

// One step of AdamW over `count` numbers, element by element as PyTorch has it in float32: with g = gradient * factor,
//   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g g;  x = x * keep - step * (m / (sqrt(v) / root + epsilon))
// Returns the sum of squares of the changes of x.
typedef struct tk_adamw {
  float factor, b1, c1, b2, c2, keep, step, root, epsilon;  // c1 = 1 - b1, c2 = 1 - b2
} tk_adamw;
double tk_adamw_step(const tk_adamw *_Nonnull settings, const float *_Nonnull gradient, float *_Nonnull x,
                     float *_Nonnull m, float *_Nonnull v, size_t count);
// The sum of squares in double precision.
double tk_square_sum(const float *_Nonnull x, size_t count);

#endif
