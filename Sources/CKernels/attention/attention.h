// Attention on each path of instructions.
#ifndef TK_ATTENTION_KERNELS_H
#define TK_ATTENTION_KERNELS_H

#include "ckernels.h"

typedef struct tk_attention_kernels {
  // Query heads head ..< head + heads, which share kv_head, of `count` rows that share their pages. Scratch of
  // tk_attention_floats(shape, count * heads, apart). `apart` is at least 8 more than the number of keys from the first
  // to the last that any row sees.
  void (*attention)(const tk_attention_shape *shape, const tk_attention_row *rows, size_t count, size_t kv_head,
                    size_t head, size_t heads, float *scratch, size_t apart);
} tk_attention_kernels;

extern const tk_attention_kernels tk_attention_portable, tk_attention_avx2, tk_attention_avx512, tk_attention_neon;

// For each line, a query of one head: parked accumulators, the query, sums of values, and scores.
static inline size_t tk_attention_floats(const tk_attention_shape *shape, size_t lines, size_t apart) {
  return lines * (64 + 2 * ((shape->head_dim + 7) & ~(size_t)7) + apart);
}

#endif
