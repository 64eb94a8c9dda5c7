// Log-probabilities and the choice of tokens, on each path of instructions.
#ifndef TK_SAMPLING_KERNELS_H
#define TK_SAMPLING_KERNELS_H

#include "ckernels.h"

typedef struct tk_sampling_kernels {
  // `scratch` holds tk_sampling_floats(allowed) floats.
  void (*sample)(tk_sample_row *row, float *scratch);
  void (*score)(tk_score_row *row);
  bool (*softmax)(const float *logits, size_t count, float temperature, tk_softmax *result);
} tk_sampling_kernels;

extern const tk_sampling_kernels tk_sampling_portable, tk_sampling_avx2;

#define TK_SAMPLING_BLOCK 512
// Weights, pairs of weight and id, and a double for each block.
static inline size_t tk_sampling_floats(size_t allowed) {
  size_t padded = (allowed + 15) & ~(size_t)15;
  return 3 * padded + 2 * (allowed / TK_SAMPLING_BLOCK + 8);
}

#endif
