// Any processor: the oracle for the other path.
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampling.h"
#include "table.h"

#pragma clang diagnostic ignored "-Wunused-function"
#include "vector.inc"
#include "sampling.inc"

const tk_sampling tk_sampling_portable = {.sample = sample, .score = score, .softmax = softmax};
