// Rows of the backward pass that are no products: softmax, activation, head. Each result depends on its row alone, and
// has the same bits on every path: sums run in 8 lanes by (index mod 8), reduced as in ckernels.h.
#ifndef TK_GRADIENT_H
#define TK_GRADIENT_H

#include "tk_types.h"

// p: `count` scores become probabilities. d: gradients of the probabilities become those of what the scores were
// scaled from: d = p * (d - mean) * scale, mean being the gradient's mean under p.
void tk_softmax_backward(float *_Nonnull p, float *_Nonnull d, size_t count, float mean, float scale);

// Of y = silu(gate) * up: d, the gradient of y, becomes that of the gate; d_up is that of up.
void tk_swiglu_backward(const float *_Nonnull gate, const float *_Nonnull up, float *_Nonnull d, float *_Nonnull d_up,
                        size_t count);

// The same of y = gelu(gate) * up, as tk_geglu computes it.
void tk_geglu_backward(const float *_Nonnull gate, const float *_Nonnull up, float *_Nonnull d, float *_Nonnull d_up,
                       size_t count);

// With p = exp(logit * factor - log_sum): returns the sum of p * logit * factor; with `differentiates`, each logit
// becomes -p * factor.
double tk_head_backward(float *_Nonnull logits, size_t count, float factor, float log_sum, bool differentiates);

#endif
