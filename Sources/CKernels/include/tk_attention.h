// Attention over pages of keys and values.
#ifndef TK_ATTENTION_H
#define TK_ATTENTION_H

#include "tk_pool.h"
#include "tk_types.h"

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

#endif
