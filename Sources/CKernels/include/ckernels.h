// The numerical kernels of Tina, and the pool of threads that they run on.
//
// One order of summation. Every dot product of length K is computed as
//
//   acc[l] = 0                          for the 8 lanes l
//   acc[l] = fma(a[8i+l], b[8i+l], acc[l])   for i = 0, 1, ... ascending
//   (a last group shorter than 8 is padded with zeros in both operands)
//   s[j] = acc[j] + acc[j+4]  (j < 4);  t[j] = s[j] + s[j+2]  (j < 2);  t[0] + t[1]
//
// on float32, whatever the instruction set, number of rows in the call, blocking or number of
// threads. So the result for a row depends on that row and the weights alone, bit for bit.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- Element types -------------------------------------------------------------------------

// Those from Q4_0 on are GGUF's block types (tk_quant.h); of the kernels, only linear maps read them, as weights.
typedef enum tk_type {
  TK_F32 = 0, TK_F16 = 1, TK_BF16 = 2, TK_Q4_0, TK_Q8_0, TK_Q4_K, TK_Q5_K, TK_Q6_K, TK_Q5_0, TK_Q5_1
} tk_type;

// ---- Instruction sets ----------------------------------------------------------------------

// The path in use: "avx512", "avxvnni", "avx2", "neon" or "portable".
const char *_Nonnull tk_isa(void);
// Chooses a path by name; false when it is unknown or this processor lacks it. For tests; call it
// while no other kernel runs. The best path is chosen by itself at first use; TINA_ISA overrides.
bool tk_isa_select(const char *_Nonnull name);

// ---- Threads -------------------------------------------------------------------------------

typedef struct tk_pool tk_pool;
typedef void (*tk_body)(void *_Nullable context, size_t chunk);
// A pool of `threads` workers, the caller of tk_pool_run being one of them (so threads - 1 are
// started). Null when a thread cannot be started.
tk_pool *_Nullable tk_pool_create(size_t threads);
void tk_pool_destroy(tk_pool *_Nonnull pool);
size_t tk_pool_threads(const tk_pool *_Nonnull pool);
// Runs body(context, 0 ..< chunks) over the pool and returns when all are done. Threads claim
// chunks one at a time, so a descheduled worker never holds up the rest. One caller at a time; not to be
// called from within a body.
void tk_pool_run(tk_pool *_Nonnull pool, size_t chunks, tk_body _Nonnull body, void *_Nullable context);

// ---- Linear maps ---------------------------------------------------------------------------

// One adapter's low-rank term of a map, for inputs first ..< first + count:
//   u[i, j] = scale * dot(a[j, :], x[first + i, :]), and the dot product of the map goes on over the rank:
//   y = reduce(weights[m, :] . x, then b[m, :] . u) + bias
// that is, the columns of b follow those of the weights in one order of summation (after the padding of the last
// group of 8). a [rank, columns], b [rows, rank], row-major. With a null, u is given: scaled already.
typedef struct tk_low_rank {
  const void *_Nullable a;
  const void *_Nonnull b;
  tk_type a_type, b_type;
  size_t rank;
  float scale;
  size_t first, count;
  float *_Nonnull u;  // [count, rank], the caller's; holds u afterwards
} tk_low_rank;

// What the weights of a map meet. Those of other types than a value names meet what they do by default.
typedef enum tk_activations {
  // Block-quantised weights: x rounded to eight bits; an adapter's B · u is a sum of its own:
  //   (dot(weights[m, :], rounded x) + bias[m]) + dot(b[m, :], u), the integer products in the order of int8.inc
  // Others: x as it is. The default.
  TK_ACTIVATIONS_INT8 = 0,
  // x as it is: blocks are widened to float32, which is the reference and slow.
  TK_ACTIVATIONS_F32 = 1,
  // BF16 weights: x rounded to bf16, in the order of bf16.inc; B · u is a sum of its own as above. Others: as by default.
  TK_ACTIVATIONS_BF16 = 2
} tk_activations;

// y[i, m] = dot(weights[m, :], x[i, :]) + bias[m]
// weights [rows, columns] of `type`, row-major, any alignment that suits its element; x [n, columns]
// with row stride x_stride, y [n, rows] with row stride y_stride (both in floats); bias [rows] float32 or null.
// With `add` set the result is added to what y holds: y + (dot + bias).
// `terms` may be null; each input belongs to at most one of them, and each has count > 0 and rank > 0.
typedef struct tk_linear_args {
  const void *_Nonnull weights;
  tk_type type;
  size_t rows, columns;
  const float *_Nullable bias;
  const float *_Nonnull x;
  size_t x_stride, n;
  float *_Nonnull y;
  size_t y_stride;
  bool add;
  const tk_low_rank *_Nullable terms;
  size_t term_count;
  tk_activations activations;
} tk_linear_args;
// Runs `count` maps (which may share x, and write disjoint outputs) in one parallel region, the adapters' A x
// among them.
void tk_linear(tk_pool *_Nonnull pool, const tk_linear_args *_Nonnull maps, size_t count);

// ---- Rows ----------------------------------------------------------------------------------

// y[i, :] = x[i, :] / sqrt(mean(x[i, :]^2) + eps) * weight    (n rows of `dim`, contiguous)
void tk_rmsnorm(tk_pool *_Nonnull pool, const float *_Nonnull x, size_t n, size_t dim,
                const float *_Nonnull weight, float eps, float *_Nonnull y);
// Rotary embedding in place, halves convention of Hugging Face's Qwen2 (element j pairs with j + head_dim/2).
// x [n, heads * head_dim] with row stride x_stride; cosine, sine [positions, head_dim / 2]; positions[i] indexes them.
void tk_rope(float *_Nonnull x, size_t n, size_t x_stride, size_t heads, size_t head_dim,
             const float *_Nonnull cosine, const float *_Nonnull sine, const uint32_t *_Nonnull positions);
// gate[i] = silu(gate[i]) * up[i] over n contiguous rows of `dim`.
void tk_swiglu(tk_pool *_Nonnull pool, float *_Nonnull gate, const float *_Nonnull up, size_t n, size_t dim);
// x[i] += y[i]
void tk_add(float *_Nonnull x, const float *_Nonnull y, size_t count);
// x[i] *= factor
void tk_scale(float *_Nonnull x, float factor, size_t count);
// Converts with round-to-nearest-even (NaN stays NaN) and exactly.
void tk_from_f32(const float *_Nonnull x, void *_Nonnull y, tk_type type, size_t count);
void tk_to_f32(const void *_Nonnull x, tk_type type, float *_Nonnull y, size_t count);

// exp(x) to about 2 ulp, the same bits on every path; 0 below -104, +inf above 88.73, NaN for NaN.
float tk_exp(float x);

// ---- Attention -----------------------------------------------------------------------------

// A sequence's keys and values live in pages of `page_tokens` tokens. pages[p] is the start of page p;
// within it this layer's keys start at byte key_offset and its values at value_offset, each
// [page_tokens, kv_heads, head_dim] of `type`.
typedef struct tk_attention_row {
  const float *_Nonnull query;  // [heads, head_dim], rotated
  float *_Nonnull output;       // [heads, head_dim]
  const uint8_t *_Nonnull const *_Nonnull pages;
  size_t keys;                  // how many tokens this row attends to: 0 ..< keys
  size_t first;                 // the first of them that a sliding window leaves visible, 0 otherwise
} tk_attention_row;
typedef struct tk_attention_shape {
  size_t heads, kv_heads, head_dim, page_tokens, key_offset, value_offset;
  tk_type type;
  float scale;                  // 1 / sqrt(head_dim)
} tk_attention_shape;
// out = softmax(scale * q K^T) V for each row. scores[t] by the dot order above; the maximum over all;
// the denominator summed in 8 lanes by (t mod 8), reduced as above; each output element summed over t ascending.
// Scratch memory is the pool's own, grown when needed and kept. `max_keys` is the largest `keys` of the rows.
void tk_attention(tk_pool *_Nonnull pool, const tk_attention_shape *_Nonnull shape,
                  const tk_attention_row *_Nonnull rows, size_t n, size_t max_keys);

#include "tk_sampling.h"
#include "tk_limits.h"
#include "tk_product.h"
#include "tk_gradient.h"

#endif
