// Making blocks of quantised weights, as GGUF files hold them.
//
// Each block is computed by itself, in the order of operations that quantise.inc fixes, so the result depends on
// neither the number of threads nor how rows are cut, and is the same on every path of instructions.
#ifndef TK_QUANTISE_H
#define TK_QUANTISE_H

#include "ckernels.h"

// blocks[i] = the blocks of x, for `count` elements, a whole number of blocks of `type`; F32, F16 and BF16 are
// rounded to nearest even. Returns how many elements the type cannot hold: those that are infinite or NaN, and
// all of a block whose scale half precision cannot hold; such a block is filled with zeros.
uint64_t tk_quantise(const float *_Nonnull x, size_t count, void *_Nonnull blocks, tk_type type);

#endif
