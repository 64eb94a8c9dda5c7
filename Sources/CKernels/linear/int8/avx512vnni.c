// x86-64 with AVX-512 VNNI: four bytes at once, in registers of 512 bits.
#include "dispatch/kernel.h"

#if defined(__x86_64__) && !defined(TK_PORTABLE_INTEGERS)
#include <immintrin.h>
#define TK_HALF_IN_HARDWARE
#define TK_VNNI_512
#define LANES 16
BEGIN_TARGET(AVX512 ",avx512vnni")
#include "dispatch/vector.inc"
#include "linear/int8/int8.inc"
#include "linear/int8/rows.inc"
#include "linear/int8/beside.inc"

const tk_int8 tk_int8_avx512vnni = {int8_quantise, int8_panels, int8_beside, BESIDE, PANEL_ROWS};
END_TARGET
#endif
