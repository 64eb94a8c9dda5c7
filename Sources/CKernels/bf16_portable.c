// Any processor: the oracle for the other paths, and arm64's.
#include "kernel.h"

#include "vector.inc"

#include "bf16.inc"

const tk_bf16 tk_bf16_portable = {bf16_linear, PANEL_ROWS};
