// The step of the optimiser.
#ifndef TK_OPTIMISER_H
#define TK_OPTIMISER_H

#include "tk_types.h"

// One step of AdamW over `count` numbers, element by element as PyTorch has it in float32: with g = gradient * factor,
//   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g g;  x = x * keep - step * (m / (sqrt(v) / root + epsilon))
// Returns the sum of squares of the changes of x.
typedef struct tk_adamw {
  float factor, b1, c1, b2, c2, keep, step, root, epsilon;  // c1 = 1 - b1, c2 = 1 - b2
} tk_adamw;
double tk_adamw_step(const tk_adamw *_Nonnull settings, const float *_Nonnull gradient, float *_Nonnull x,
                     float *_Nonnull m, float *_Nonnull v, size_t count);
// The sum of squares in double precision.
double tk_square_sum(const float *_Nonnull x, size_t count);

#endif
