// arm64.
#include "dispatch/kernel.h"

#if defined(__aarch64__)
#define TK_HALF_IN_HARDWARE
#include "dispatch/vector.inc"
#include "linear/tile.inc"
#include "attention/attention.inc"

const tk_attention_kernels tk_attention_neon = {attention};
#endif
