// Any processor: the oracle for the other path, and arm64's own.
#include "dispatch/kernel.h"

#include "dispatch/vector.inc"
#include "quant/dequantise.inc"
#include "quant/quantise.inc"

const tk_block_kernels tk_blocks_portable = {dequantise, quantise};
