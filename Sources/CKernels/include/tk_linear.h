// Linear maps, with the low-rank terms of adapters.
#ifndef TK_LINEAR_H
#define TK_LINEAR_H

#include "tk_pool.h"
#include "tk_types.h"

// One adapter's low-rank term of a map, for inputs first ..< first + count:
//   u[i, j] = scale * dot(a[j, :], x[first + i, :])
//   y = reduce(weights[m, :] . x, then b[m, :] . u) + bias
// The columns of b follow those of the weights in one order of summation, after the padding of the last group of 8.
// a [rank, columns], b [rows, rank], row-major. Where a is null, the caller gives u, scaled already.
typedef struct tk_low_rank {
  const void *_Nullable a;
  const void *_Nonnull b;
  tk_type a_type, b_type;
  size_t rank;
  float scale;
  size_t first, count;
  float *_Nonnull u;  // [count, rank], memory of the caller
} tk_low_rank;

// What a map's inputs are rounded to before they meet the weights. Rounded inputs make an adapter's B · u a sum of
// its own:
//   (dot(weights[m, :], rounded x) + bias[m]) + dot(b[m, :], u)
// docs/reference/numerics.md states the order of these products. Weights of other types meet x as it is.
typedef enum tk_activations {
  TK_ACTIVATIONS_INT8 = 0,  // to eight bits, for block-quantised weights: the default
  TK_ACTIVATIONS_F32 = 1,   // not at all: blocks are widened to float32, which is the reference, and slow
  TK_ACTIVATIONS_BF16 = 2,  // to bf16, for BF16 weights; and as by default for block-quantised ones
} tk_activations;

// y[i, m] = dot(weights[m, :], x[i, :]) + bias[m]
// weights [rows, columns] of `type`, row-major, aligned to its element; x [n, columns] with row stride x_stride;
// y [n, rows] with row stride y_stride, both strides in floats; bias [rows] float32 or null.
// With `add` the result is y + (dot + bias).
// `terms` may be null. An input belongs to at most one of them, and each has count > 0 and rank > 0.
typedef struct tk_linear_args {
  const void *_Nonnull weights;
  tk_type type;
  size_t rows, columns;
  const float *_Nullable bias;
  const float *_Nonnull x;
  size_t x_stride, n;
  float *_Nonnull y;
  size_t y_stride;
  bool add;
  const tk_low_rank *_Nullable terms;
  size_t term_count;
  tk_activations activations;
} tk_linear_args;
// Runs `count` maps and their adapters' A x in one parallel region. Maps may share x; they write disjoint outputs.
void tk_linear(tk_pool *_Nonnull pool, const tk_linear_args *_Nonnull maps, size_t count);
// The kind of kernel (tk_paths.h) that computes a map of such weights.
size_t tk_linear_kind(tk_type type, tk_activations activations);

#endif
