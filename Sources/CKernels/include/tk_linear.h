// Linear maps, with the low-rank terms of adapters.
#ifndef TK_LINEAR_H
#define TK_LINEAR_H

#include "tk_pool.h"
#include "tk_types.h"

// One adapter's low-rank term of a map, for inputs first ..< first + count:
//   u[i, j] = scale * dot(a[j, :], x[first + i, :]), and the dot product of the map goes on over the rank:
//   y = reduce(weights[m, :] . x, then b[m, :] . u) + bias
// that is, the columns of b follow those of the weights in one order of summation (after the padding of the last
// group of 8). a [rank, columns], b [rows, rank], row-major. With a null, u is given: scaled already.
typedef struct tk_low_rank {
  const void *_Nullable a;
  const void *_Nonnull b;
  tk_type a_type, b_type;
  size_t rank;
  float scale;
  size_t first, count;
  float *_Nonnull u;  // [count, rank], the caller's; holds u afterwards
} tk_low_rank;

// What the weights of a map meet. Those of other types than a value names meet what they do by default.
typedef enum tk_activations {
  // Block-quantised weights: x rounded to eight bits; an adapter's B · u is a sum of its own:
  //   (dot(weights[m, :], rounded x) + bias[m]) + dot(b[m, :], u), the integer products in the order of int8.inc
  // Others: x as it is. The default.
  TK_ACTIVATIONS_INT8 = 0,
  // x as it is: blocks are widened to float32, which is the reference and slow.
  TK_ACTIVATIONS_F32 = 1,
  // BF16 weights: x rounded to bf16, in the order of bf16.inc; B · u is a sum of its own as above. Others: as by default.
  TK_ACTIVATIONS_BF16 = 2
} tk_activations;

// y[i, m] = dot(weights[m, :], x[i, :]) + bias[m]
// weights [rows, columns] of `type`, row-major, any alignment that suits its element; x [n, columns]
// with row stride x_stride, y [n, rows] with row stride y_stride (both in floats); bias [rows] float32 or null.
// With `add` set the result is added to what y holds: y + (dot + bias).
// `terms` may be null; each input belongs to at most one of them, and each has count > 0 and rank > 0.
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
// Runs `count` maps (which may share x, and write disjoint outputs) in one parallel region, the adapters' A x
// among them.
void tk_linear(tk_pool *_Nonnull pool, const tk_linear_args *_Nonnull maps, size_t count);

#endif
