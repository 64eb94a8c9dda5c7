// Every source of this target includes this first: it says here what others say by flags of the compiler, because a
// package that passes such flags cannot be depended on by version.
#ifndef TK_KERNEL_H
#define TK_KERNEL_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ckernels.h"

// A product and a sum are two roundings, unless a kernel asks for a fused one.
#pragma STDC FP_CONTRACT OFF

// A function that is part of its caller: vectors are never passed between translation units.
#define INLINE static inline __attribute__((always_inline))

// Before a loop whose number of rounds is a constant once it is inlined: what it indexes may then stay in registers.
// At -O2 the compiler unrolls short loops only.
#define UNROLL TK_PRAGMA(clang loop unroll(full))
#define TK_PRAGMA(X) _Pragma(#X)

// Functions between these two may use the instructions that FEATURES names.
#define BEGIN_TARGET(FEATURES) \
  TK_PRAGMA(clang attribute push(__attribute__((target(FEATURES))), apply_to = function))
#define END_TARGET _Pragma("clang attribute pop")
#define AVX2 "avx2,fma,f16c"
#define AVX512 "avx2,fma,f16c,avx512f,avx512dq,avx512bw,avx512vl"

#endif
