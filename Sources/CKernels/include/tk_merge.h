// Merging: what a low-rank sum adds to rows of a matrix, rounded once, and what of it survives the rounding.
//
// Every element is computed by itself, so the result depends on neither blocking nor threads:
//
//   d = fma(b[k], a[k], d)  for k = 0, 1, ... ascending, from 0     (float32)
//   w' = round(widen(w) + d)
#ifndef TK_MERGE_H
#define TK_MERGE_H

#include "tk_types.h"

// The kernel reads the second factor of a low-rank sum packed: panels of 16 columns, each [rank, 16], the last one
// filled up with zeros. The floats that `columns` columns of `rank` rows take:
static inline size_t tk_merge_packed_floats(size_t rank, size_t columns) { return rank * ((columns + 15) / 16 * 16); }
// Writes rows `first` ..< first + rows of a packed factor of `rank` rows; a [rows, columns] of `type`.
void tk_merge_pack(const void *_Nonnull a, tk_type type, size_t rows, size_t columns, size_t rank, size_t first,
                      float *_Nonnull packed);
// delta[i, j] = sum over k of b[i, k] * a[k, j]; b [rows, rank] and delta [rows, columns] contiguous.
void tk_merge_delta(const float *_Nonnull b, const float *_Nonnull packed, size_t rows, size_t rank, size_t columns,
                 float *_Nonnull delta);

// Sums over elements; added to, not set.
typedef struct tk_merge_sums {
  double delta2;      // delta^2
  double product;     // (w' - w0) * delta, w0 being the weight rounded to the output's type without delta
  double error2;      // (w' - w0 - delta)^2
  uint64_t count;     // elements
  uint64_t changed;   // elements with w' != w0
  uint64_t infinite;  // elements with w' infinite or NaN
} tk_merge_sums;

// How the sum is rounded to F16 or BF16. Random numbers are those of Philox4x32-10: element e of the tensor
// takes word e mod 4 of the block with counter (e / 4, stream) under the key `seed`, each as two words, low first.
typedef struct tk_rounding {
  bool stochastic;     // up with a probability that is the distance from the lower neighbour; else nearest even
  uint64_t seed;
  uint64_t stream;     // tells tensors apart
} tk_rounding;

// output[e] = round(weights[e] + delta[e]) for `count` elements, the first being element `first` of its tensor.
void tk_merge(const void *_Nonnull weights, tk_type type, const float *_Nonnull delta, size_t count,
              void *_Nonnull output, tk_type output_type, tk_rounding rounding, uint64_t first,
              tk_merge_sums *_Nonnull sums);

// Adds to the sums alone, for numbers that were rounded elsewhere: `before` is w0, `after` is w'.
void tk_merge_measure(const float *_Nonnull before, const float *_Nonnull after, const float *_Nonnull delta,
                      size_t count, tk_merge_sums *_Nonnull sums);

// output[e] = round(weights[e]), to nearest even; returns how many are infinite or NaN.
uint64_t tk_convert(const void *_Nonnull weights, tk_type type, size_t count, void *_Nonnull output,
                    tk_type output_type);

#endif
