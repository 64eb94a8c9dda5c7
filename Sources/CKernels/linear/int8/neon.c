// arm64: four bytes at once where the compiler may assume it (every Apple processor; -march=armv8.2-a+dotprod).
#include "dispatch/kernel.h"

#if defined(__aarch64__) && !defined(TK_PORTABLE_INTEGERS)
#include <arm_neon.h>
#define TK_HALF_IN_HARDWARE
#define LANES 8
#if defined(__ARM_FEATURE_DOTPROD)
#define TK_DOTPROD
#endif
#include "dispatch/vector.inc"
#include "linear/int8/int8.inc"
#include "linear/int8/rows.inc"

const tk_int8 tk_int8_neon = {int8_quantise, int8_panels, int8_rows, FEW, PANEL_ROWS};
#endif
