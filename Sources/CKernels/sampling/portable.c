// Any processor: the oracle for the other path, and arm64's own.
#include "dispatch/kernel.h"

#include "dispatch/vector.inc"
#include "sampling/sampling.inc"

const tk_sampling_kernels tk_sampling_portable = {.sample = sample, .score = score, .softmax = softmax};
