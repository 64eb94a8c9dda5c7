// Any processor: the oracle for the other paths, and arm64's own.
#include "dispatch/kernel.h"

#include "dispatch/vector.inc"
#include "linear/bf16/bf16.inc"

const tk_bf16 tk_bf16_portable = {bf16_linear, PANEL_ROWS};
