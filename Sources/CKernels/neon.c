// arm64.
#include "kernel.h"

#include <math.h>
#include <string.h>

#include "bf16.h"
#include "int8.h"
#include "table.h"

#if defined(__aarch64__)
#define TK_HALF_IN_HARDWARE
#include "vector.inc"
#include "tile.inc"
#include "linear.inc"
#include "rows.inc"
#include "attention.inc"
#include "product.inc"
#include "gradient.inc"

const tk_kernels tk_kernels_neon = TK_KERNELS("neon", &tk_int8_neon, &tk_bf16_portable);
#endif
