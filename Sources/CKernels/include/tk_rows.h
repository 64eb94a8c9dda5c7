// What works on one row at a time: norm, rotation, activation, conversion. The bits are the same on every path.
#ifndef TK_ROWS_H
#define TK_ROWS_H

#include "tk_pool.h"
#include "tk_types.h"

// y[i, :] = x[i, :] / sqrt(mean(x[i, :]^2) + eps) * weight    (n rows of `dim`, contiguous)
void tk_rmsnorm(tk_pool *_Nonnull pool, const float *_Nonnull x, size_t n, size_t dim,
                const float *_Nonnull weight, float eps, float *_Nonnull y);
// Rotary embedding in place, by halves as in Hugging Face's Qwen2: element j pairs with j + head_dim / 2.
// x [n, heads * head_dim] with row stride x_stride; cosine, sine [positions, head_dim / 2], indexed by positions[i].
void tk_rope(float *_Nonnull x, size_t n, size_t x_stride, size_t heads, size_t head_dim,
             const float *_Nonnull cosine, const float *_Nonnull sine, const uint32_t *_Nonnull positions);
// gate[i] = silu(gate[i]) * up[i] over n contiguous rows of `dim`.
void tk_swiglu(tk_pool *_Nonnull pool, float *_Nonnull gate, const float *_Nonnull up, size_t n, size_t dim);
// gate[i] = gelu(gate[i]) * up[i] with gelu(x) = x * sigmoid(2u), u = sqrt(2 / pi) * (x + 0.044715 x^3): the tanh
// approximation.
void tk_geglu(tk_pool *_Nonnull pool, float *_Nonnull gate, const float *_Nonnull up, size_t n, size_t dim);
// x[i] += y[i]
void tk_add(float *_Nonnull x, const float *_Nonnull y, size_t count);
// x[i] *= factor
void tk_scale(float *_Nonnull x, float factor, size_t count);
// Convert `count` elements to `type`, rounded to nearest even (a NaN stays a NaN), and exactly back.
void tk_from_f32(const float *_Nonnull x, void *_Nonnull y, tk_type type, size_t count);
void tk_to_f32(const void *_Nonnull x, tk_type type, float *_Nonnull y, size_t count);

// The kernels' own exp(x), for tests: to about 2 ulp; 0 below -104, +infinity above 88.73, NaN for NaN.
float tk_exp(float x);

#endif
