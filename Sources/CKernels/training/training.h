// What only training needs, on each path of instructions.
#ifndef TK_TRAINING_KERNELS_H
#define TK_TRAINING_KERNELS_H

#include "ckernels.h"

// A product packs this many columns of B at once, and at most so many rows of A; and it widens a row of blocks.
#define TK_PRODUCT_WIDTH 512
#define TK_PRODUCT_HEIGHT 12
#define TK_PRODUCT_FLOATS (TK_PRODUCT_DEPTH * (TK_PRODUCT_WIDTH + TK_PRODUCT_HEIGHT) + TK_PRODUCT_WIDTH)

typedef struct tk_training_kernels {
  // Scratch of TK_PRODUCT_FLOATS floats.
  void (*product)(const tk_product_args *product, float *scratch);
  void (*softmax_backward)(float *p, float *d, size_t count, float mean, float scale);
  void (*swiglu_backward)(const float *gate, const float *up, float *d, float *d_up, size_t count);
  void (*geglu_backward)(const float *gate, const float *up, float *d, float *d_up, size_t count);
  double (*head_backward)(float *logits, size_t count, float factor, float log_sum, bool differentiates);
  double (*adamw_step)(const tk_adamw *settings, const float *gradient, float *x, float *m, float *v, size_t count);
  double (*square_sum)(const float *x, size_t count);
} tk_training_kernels;

extern const tk_training_kernels tk_training_portable, tk_training_avx2, tk_training_avx512, tk_training_neon;

#endif
