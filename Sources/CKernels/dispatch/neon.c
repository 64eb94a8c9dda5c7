// arm64.
#include "dispatch/kernel.h"

#if defined(__aarch64__)
#define TK_PATH neon
#define TK_HALF_IN_HARDWARE
#include "dispatch/wide.inc"
#endif
