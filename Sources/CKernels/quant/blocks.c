// Sizes of the types; blocks from and to float32 on the path in use.
#include "dispatch/kernel.h"
#include "dispatch/paths.h"

size_t tk_block_elements(tk_type type) {
  switch (type) {
  case TK_Q8_0:
  case TK_Q4_0:
  case TK_Q5_0:
  case TK_Q5_1:
  case TK_Q4_1: return 32;
  case TK_Q4_K:
  case TK_Q5_K:
  case TK_Q6_K: return 256;
  default: return 1;
  }
}

size_t tk_block_bytes(tk_type type) {
  switch (type) {
  case TK_F32: return 4;
  case TK_F16:
  case TK_BF16: return 2;
  case TK_Q8_0: return 34;
  case TK_Q4_0: return 18;
  case TK_Q4_K: return 144;
  case TK_Q5_K: return 176;
  case TK_Q6_K: return 210;
  case TK_Q5_0: return 22;
  case TK_Q5_1: return 24;
  case TK_Q4_1: return 20;
  }
  return 4;
}

size_t tk_row_bytes(tk_type type, size_t columns) {
  return columns / tk_block_elements(type) * tk_block_bytes(type);
}

void tk_dequantise(const void *blocks, tk_type type, float *y, size_t count) {
  if (tk_block_elements(type) == 1) tk_to_f32(blocks, type, y, count);
  else tk_current()->blocks->dequantise(blocks, type, y, count);
}

uint64_t tk_quantise(const float *x, size_t count, void *blocks, tk_type type) {
  if (tk_block_elements(type) == 1) return tk_convert(x, TK_F32, count, blocks, type);
  return tk_current()->blocks->quantise(x, count, blocks, type);
}
