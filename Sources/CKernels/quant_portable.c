// Any processor.
#include "kernel.h"

#include "vector.inc"
#include "quant.inc"

const tk_dequantise_blocks tk_dequantise_portable = dequantise;
