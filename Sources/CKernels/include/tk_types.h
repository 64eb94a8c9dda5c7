// The types of elements of a tensor.
#ifndef TK_TYPES_H
#define TK_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Those from Q4_0 on are GGUF's block types (tk_blocks.h). Linear maps and products read them as weights.
typedef enum tk_type {
  TK_F32 = 0, TK_F16 = 1, TK_BF16 = 2, TK_Q4_0, TK_Q8_0, TK_Q4_K, TK_Q5_K, TK_Q6_K, TK_Q5_0, TK_Q5_1,
  TK_Q4_1
} tk_type;

#endif
