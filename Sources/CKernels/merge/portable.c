// Any processor: the oracle for the other path, and arm64's own.
#include "dispatch/kernel.h"

#include "dispatch/vector.inc"
#include "merge/merge.inc"

const tk_merge_kernels tk_merge_portable = {
    .pack = pack, .low_rank = low_rank, .merge = merge, .measure = measure, .convert = convert,
};
