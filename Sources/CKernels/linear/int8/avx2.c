// x86-64 with AVX2: bytes are multiplied in pairs.
#include "dispatch/kernel.h"

#if defined(__x86_64__) && !defined(TK_PORTABLE_INTEGERS)
#include <immintrin.h>
#define TK_HALF_IN_HARDWARE
#define TK_MADDUBS
#define LANES 8
BEGIN_TARGET(AVX2)
#include "dispatch/vector.inc"
#include "linear/int8/int8.inc"
#include "linear/int8/rows.inc"
#include "linear/int8/beside.inc"

const tk_int8 tk_int8_avx2 = {int8_quantise, int8_panels, int8_beside, BESIDE, PANEL_ROWS};
END_TARGET
#endif
