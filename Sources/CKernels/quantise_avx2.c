// x86-64 with AVX2, FMA and F16C.
#include "kernel.h"

#include <math.h>
#include <string.h>

#include "quantise.h"
#include "table.h"

#if defined(__x86_64__)
#define TK_HALF_IN_HARDWARE
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "vector.inc"
#include "quantise.inc"

const tk_quantise_blocks tk_quantise_avx2 = quantise;
#pragma clang attribute pop
#endif
