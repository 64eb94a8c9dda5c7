// Blocks of quantised weights from and to float32, on each path of instructions.
#ifndef TK_BLOCK_KERNELS_H
#define TK_BLOCK_KERNELS_H

#include "ckernels.h"

typedef struct tk_block_kernels {
  void (*dequantise)(const void *blocks, tk_type type, float *y, size_t count);
  uint64_t (*quantise)(const float *x, size_t count, void *blocks, tk_type type);
} tk_block_kernels;

extern const tk_block_kernels tk_blocks_portable, tk_blocks_avx2;

#endif
