// BF16 weights against inputs rounded to bf16, on each path of instructions.
#ifndef TK_BF16_H
#define TK_BF16_H

#include "ckernels.h"

// A dot product takes so many columns at a time. Rounded inputs are padded with zeros to a multiple of it.
#define TK_BF16_GROUP 32
static inline size_t tk_bf16_padded(size_t columns) {
  return (columns + TK_BF16_GROUP - 1) / TK_BF16_GROUP * TK_BF16_GROUP;
}

typedef struct tk_bf16 {
  // Rows first ..< last of one map, without its terms, for `count` (at most TK_COLUMNS) inputs from ..< from + count.
  // x holds all inputs of the map, padded. `then` is a hint, or null: the weights that the thread probably needs next.
  void (*linear)(const tk_linear_args *map, const uint16_t *x, size_t first, size_t last, size_t from, size_t count,
                 const void *then);
  size_t panel;  // rows that are computed together; chunks are multiples of it
} tk_bf16;

extern const tk_bf16 tk_bf16_portable, tk_bf16_avx2, tk_bf16_avx512;

#endif
