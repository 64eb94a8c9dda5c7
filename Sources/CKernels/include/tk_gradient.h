// Rows of training that are no products: dropout, and of the backward pass softmax, activation, norm, head. Each result
// depends on its row alone, and has the same bits on every path. Sums run in 8 lanes by (index mod 8), reduced as in
// ckernels.h, unless said.
#ifndef TK_GRADIENT_H
#define TK_GRADIENT_H

#include "tk_types.h"

// Dropout, by numbers that can be drawn again. Elements 8i to 8i + 7 take their 16-bit numbers, lower half first, from
// Philox4x32-10 under `key`, at the counter (i | module << 16, position, sequence, pass). An element is dropped when
// its number is below the threshold.
typedef struct tk_dropout_row {
  uint32_t key[2];
  uint32_t module, position, sequence, pass;
  uint32_t threshold;
  float factor;  // what is kept is multiplied by it
} tk_dropout_row;

// y = mask * x * factor, or y += that; below 2^19 elements.
void tk_dropout(const tk_dropout_row *_Nonnull row, const float *_Nonnull x, float *_Nonnull y, size_t count,
                bool adds);

// p: `count` scores become probabilities. d: gradients of the probabilities become those of what the scores were
// scaled from: d = p * (d - mean) * scale, mean being the gradient's mean under p.
void tk_softmax_backward(float *_Nonnull p, float *_Nonnull d, size_t count, float mean, float scale);

// Of y = silu(gate) * up: d, the gradient of y, becomes that of the gate; d_up is that of up.
void tk_swiglu_backward(const float *_Nonnull gate, const float *_Nonnull up, float *_Nonnull d, float *_Nonnull d_up,
                        size_t count);

// The same of y = gelu(gate) * up, as tk_geglu computes it.
void tk_geglu_backward(const float *_Nonnull gate, const float *_Nonnull up, float *_Nonnull d, float *_Nonnull d_up,
                       size_t count);

// Of y = x / sqrt(mean(x^2) + eps) * weight: the gradient of x from dy, that of y; written to dx, or added. dx may be
// dy. Both sums run in the order of the index, in float64.
void tk_rmsnorm_backward(const float *_Nonnull x, const float *_Nonnull weight, const float *_Nonnull dy, size_t count,
                         float eps, float *_Nonnull dx, bool adds);

// x · y, summed in the order of the index.
float tk_ordered_dot(const float *_Nonnull x, const float *_Nonnull y, size_t count);

// With p = exp(logit * factor - log_sum): returns the sum of p * logit * factor; with `differentiates`, each logit
// becomes -p * factor.
double tk_head_backward(float *_Nonnull logits, size_t count, float factor, float log_sum, bool differentiates);

#endif
