// Any processor: the oracle for the other paths.
#include "kernel.h"

#include <math.h>
#include <string.h>

#include "bf16.h"
#include "int8.h"
#include "table.h"

#include "vector.inc"
#include "tile.inc"
#include "linear.inc"
#include "rows.inc"
#include "attention.inc"
#include "product.inc"
#include "gradient.inc"

const tk_kernels tk_kernels_portable = TK_KERNELS("portable", &tk_int8_portable, &tk_bf16_portable);
