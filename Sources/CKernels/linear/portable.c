// Any processor: the oracle for the other paths.
#include "dispatch/kernel.h"

#include "dispatch/vector.inc"
#include "linear/tile.inc"
#include "linear/linear.inc"

const tk_linear_kernels tk_linear_portable = {linear};
