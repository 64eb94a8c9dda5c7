// Any processor.
#include "kernel.h"

#include "quantise.h"
#include "vector.inc"
#include "quantise.inc"

const tk_quantise_blocks tk_quantise_portable = quantise;
