// arm64: four bytes at once where the compiler may assume it (every Apple processor; -march=armv8.2-a+dotprod).
#include "kernel.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "table.h"

#if defined(__aarch64__)
#define TK_HALF_IN_HARDWARE
#if defined(__ARM_FEATURE_DOTPROD)
#define TK_DOTPROD
#endif
#define LANES 8
#include "vector.inc"
#include "include/tk_quant.h"
#include "int8.inc"

const tk_int8 tk_int8_neon = {int8_quantise, int8_linear, PANEL_ROWS};
#endif
