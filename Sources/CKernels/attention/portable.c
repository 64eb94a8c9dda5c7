// Any processor: the oracle for the other paths.
#include "dispatch/kernel.h"

#include "dispatch/vector.inc"
#include "linear/tile.inc"
#include "attention/attention.inc"

const tk_attention_kernels tk_attention_portable = {attention};
