// Any processor: the oracle for the other paths.
#include "kernel.h"

#include "vector.inc"
#include "include/tk_quant.h"

#define LANES 8
#include "int8.inc"

const tk_int8 tk_int8_portable = {int8_quantise, int8_linear, PANEL_ROWS};
