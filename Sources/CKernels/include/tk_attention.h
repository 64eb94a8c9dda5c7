// Attention over pages of keys and values.
#ifndef TK_ATTENTION_H
#define TK_ATTENTION_H

#include "tk_pool.h"
#include "tk_types.h"

// A sequence's keys and values lie in pages of `page_tokens` tokens. In page p, which begins at pages[p], this layer's
// keys begin at byte key_offset and its values at value_offset, each [page_tokens, kv_heads, head_dim] of `type`.
typedef struct tk_attention_row {
  const float *_Nonnull query;  // [heads, head_dim], rotated
  float *_Nonnull output;       // [heads, head_dim]
  const uint8_t *_Nonnull const *_Nonnull pages;
  size_t keys, first;           // attends to tokens first ..< keys; first is 0 without a sliding window
} tk_attention_row;
typedef struct tk_attention_shape {
  size_t heads, kv_heads, head_dim, page_tokens, key_offset, value_offset;
  tk_type type;
  float scale;                  // of the scores; 1 / sqrt(head_dim) in most models
} tk_attention_shape;
// output = softmax(scale * q K^T) V for each row. The scores have the order of ckernels.h. The denominator is summed
// in 8 lanes by (t - first) mod 8, reduced in that order. Each element of the output is summed over t ascending. The
// scratch is the pool's own. `max_keys` is the largest `keys` of the rows.
void tk_attention(tk_pool *_Nonnull pool, const tk_attention_shape *_Nonnull shape,
                  const tk_attention_row *_Nonnull rows, size_t n, size_t max_keys);

#endif
