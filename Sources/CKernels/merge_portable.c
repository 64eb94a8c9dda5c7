// Any processor: the oracle for the other path, and NEON's own on arm64.
#include "kernel.h"

#include "vector.inc"
#include "merge.inc"

const tk_merge_kernels tk_merge_portable = {
    .pack = pack, .low_rank = low_rank, .merge = merge, .measure = measure, .convert = convert,
};
