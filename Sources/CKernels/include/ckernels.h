// The numerical kernels of Tina, and the pool of threads that they run on.
//
// One order of summation. Every dot product of length K is computed as
//
//   acc[l] = 0                          for the 8 lanes l
//   acc[l] = fma(a[8i+l], b[8i+l], acc[l])   for i = 0, 1, ... ascending
//   (a last group shorter than 8 is padded with zeros in both operands)
//   s[j] = acc[j] + acc[j+4]  (j < 4);  t[j] = s[j] + s[j+2]  (j < 2);  t[0] + t[1]
//
// in float32, whatever the instruction set, the number of rows in the call, the blocking or the number of threads. So
// the result for a row depends on that row and the weights alone, bit for bit.
#ifndef CKERNELS_H
#define CKERNELS_H

#include "tk_attention.h"
#include "tk_blocks.h"
#include "tk_gradient.h"
#include "tk_isa.h"
#include "tk_limits.h"
#include "tk_linear.h"
#include "tk_merge.h"
#include "tk_optimiser.h"
#include "tk_paths.h"
#include "tk_pool.h"
#include "tk_product.h"
#include "tk_rows.h"
#include "tk_sampling.h"
#include "tk_types.h"

#endif
