// arm64.
#include "dispatch/kernel.h"

#if defined(__aarch64__)
#define TK_HALF_IN_HARDWARE
#include "dispatch/vector.inc"
#include "linear/tile.inc"
#include "linear/linear.inc"

const tk_linear_kernels tk_linear_neon = {linear};
#endif
