// x86-64 with AVX2 and FMA; AVX-512 machines use it too, it is bound by memory.
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampling.h"
#include "table.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#pragma clang diagnostic ignored "-Wunused-function"
#include "vector.inc"
#include "sampling.inc"

const tk_sampling tk_sampling_avx2 = {.sample = sample, .score = score, .softmax = softmax};
#pragma clang attribute pop
#endif
