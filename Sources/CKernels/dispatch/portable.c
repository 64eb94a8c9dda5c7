// Any processor: the oracle for the other paths.
#include "dispatch/kernel.h"

#define TK_PATH portable
#include "dispatch/wide.inc"
#include "dispatch/narrow.inc"
