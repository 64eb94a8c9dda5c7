// General products of matrices in float32, for gradients: C (+)= scale · A · B.
//
//   C[i, j] = (C[i, j] +) d[0] + d[1] + ...      one sum d for each TK_PRODUCT_DEPTH of k, added ascending
//   d = fma(scale * A[i, k], B[k, j], d)         k ascending, from 0
//
// whatever the instruction set, and however a caller cuts m and n: the bits of an element depend on its row of A, its
// column of B and the depth alone. (Linear maps have another order, that of ckernels.h.)
#ifndef TK_PRODUCT_H
#define TK_PRODUCT_H

#include "tk_types.h"

#define TK_PRODUCT_DEPTH 192

// A [m, k] float32, element (i, l) at a[i * a_row + l * a_column]; B [k, n] of `type`, element (l, j) likewise. One
// of a matrix's two strides is 1, and a matrix whose elements are no float32 has b_column = 1. Of block-quantised
// rows, b is the start of the matrix, b_row the elements of a row, and first_column and the products' n are multiples
// of 256 unless the row ends there. C [m, n] with row stride c_row.
typedef struct tk_product_args {
  size_t m, n, k;
  float scale;
  const float *_Nonnull a;
  size_t a_row, a_column;
  const void *_Nonnull b;
  tk_type type;
  size_t b_row, b_column;
  size_t first_row, first_column;  // where B begins in its matrix
  float *_Nonnull c;
  size_t c_row;
  bool add;
} tk_product_args;

// On the calling thread; any number at the same time. Each thread keeps some scratch for it.
void tk_product(const tk_product_args *_Nonnull product);

#endif
