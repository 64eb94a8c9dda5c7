// What each path of instructions provides; dispatch.c chooses one.
#ifndef TK_TABLE_H
#define TK_TABLE_H

#include "include/ckernels.h"
#include "include/tk_quant.h"

#include <stdatomic.h>

struct tk_int8;
struct tk_bf16;

// Inputs that one chunk of a linear map takes, and outputs whose accumulators it parks (128 KB of stack).
#define TK_COLUMNS 60
#define TK_PARKED 3840

// Opens when the A x of all low-rank terms of a region are done.
typedef struct tk_gate {
  _Atomic size_t done;
  size_t target;
} tk_gate;
void tk_gate_wait(tk_gate *gate);

// A product packs this many columns of B at once, and at most so many rows of A; and it widens a row of blocks.
#define TK_PRODUCT_WIDTH 512
#define TK_PRODUCT_HEIGHT 12
#define TK_PRODUCT_FLOATS (TK_PRODUCT_DEPTH * (TK_PRODUCT_WIDTH + TK_PRODUCT_HEIGHT) + TK_PRODUCT_WIDTH)

typedef struct tk_kernels {
  const char *name;
  // Rows first ..< last of one map, for its inputs from ..< from + count; the dot product is multiplied by scale.
  // (last - first, rounded up to a multiple of 8) × count is at most TK_PARKED, count at most TK_COLUMNS.
  // `then` are the weights with which the thread will probably go on (a hint: they are fetched).
  void (*linear)(const tk_linear_args *map, float scale, size_t first, size_t last, size_t from, size_t count,
                 const void *then, tk_gate *gate);
  // Query heads head ..< head + heads, which share kv_head, of `count` rows that share their pages. Scratch of
  // tk_attention_floats(shape, count * heads, apart); `apart` is at least the last key that any
  // row sees - the first + 8.
  void (*attention)(const tk_attention_shape *shape, const tk_attention_row *rows, size_t count, size_t kv_head,
                    size_t head, size_t heads, float *scratch, size_t apart);
  void (*rope)(float *x, size_t heads, size_t head_dim, const float *cosine, const float *sine);
  void (*rmsnorm)(const float *x, size_t dim, const float *weight, float eps, float *y);
  void (*swiglu)(float *gate, const float *up, size_t count);
  void (*from_f32)(const float *x, void *y, tk_type type, size_t count);
  void (*to_f32)(const void *x, tk_type type, float *y, size_t count);
  float (*exp)(float x);
  // Scratch of TK_PRODUCT_FLOATS floats.
  void (*product)(const tk_product_args *product, float *scratch);
  void (*softmax_backward)(float *p, float *d, size_t count, float mean, float scale);
  void (*swiglu_backward)(const float *gate, const float *up, float *d, float *d_up, size_t count);
  double (*head_backward)(float *logits, size_t count, float factor, float log_sum, bool differentiates);
  double (*adamw_step)(const tk_adamw *settings, const float *gradient, float *x, float *m, float *v, size_t count);
  double (*square_sum)(const float *x, size_t count);
  const struct tk_int8 *int8;  // block-quantised weights (int8.h)
  const struct tk_bf16 *bf16;  // BF16 weights against inputs rounded to bf16 (bf16.h)
} tk_kernels;

// The table of the path that is being compiled, from the functions of the .inc files; INT8 is for blocks, BF16 for inputs
// rounded to bf16.
#define TK_KERNELS(NAME, INT8, BF16)                                                                       \
  {                                                                                                        \
    .name = NAME, .linear = linear, .attention = attention, .rmsnorm = rmsnorm, .swiglu = swiglu,          \
    .rope = rope, .from_f32 = from_f32, .to_f32 = to_f32, .exp = exp_one, .int8 = INT8,                    \
    .bf16 = BF16,                                                                                          \
    .product = product, .softmax_backward = softmax_backward, .swiglu_backward = swiglu_backward,          \
    .head_backward = head_backward, .adamw_step = adamw_step, .square_sum = square_sum,                    \
  }

extern const tk_kernels tk_kernels_portable;
#if defined(__x86_64__)
// The same but for integers and rounded inputs: with and without instructions that multiply four bytes at once, and two
// bf16.
extern const tk_kernels tk_kernels_avx2, tk_kernels_avxvnni;
extern const tk_kernels tk_kernels_avx512_without_vnni, tk_kernels_avx512_vnni, tk_kernels_avx512;
#endif
#if defined(__aarch64__)
extern const tk_kernels tk_kernels_neon;
#endif

static inline size_t tk_attention_floats(const tk_attention_shape *shape, size_t lines, size_t apart) {
  return lines * (64 + 2 * ((shape->head_dim + 7) & ~(size_t)7) + apart);
}

const tk_kernels *tk_current(void);
// Whether a path gives the portable path's bits here.
bool tk_kernels_agree(const tk_kernels *path);

#endif
