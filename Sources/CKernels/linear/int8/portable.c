// Any processor: the oracle for the other paths.
#include "dispatch/kernel.h"

#define LANES 8
#include "dispatch/vector.inc"
#include "linear/int8/int8.inc"
#include "linear/int8/rows.inc"

const tk_int8 tk_int8_portable = {int8_quantise, int8_panels, int8_rows, FEW, PANEL_ROWS};
