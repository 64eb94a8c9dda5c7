// Blocks of quantised weights, as GGUF files hold them: their sizes, and the ways from and to float32.
//
// Each block is computed by itself, in one order of operations, so that the result depends on neither the number of
// threads nor how rows are cut, and is the same on every path of instructions.
#ifndef TK_BLOCKS_H
#define TK_BLOCKS_H

#include "tk_types.h"

// Elements and bytes of a block of a type; 1 and the element's size for plain types.
size_t tk_block_elements(tk_type type);
size_t tk_block_bytes(tk_type type);
// Bytes of a row of `columns` elements, which are a whole number of blocks.
size_t tk_row_bytes(tk_type type, size_t columns);

// y[i] = the value of element i, for `count` elements, a whole number of blocks of any type. The values are those of
// Python's `gguf` package, to the bit.
void tk_dequantise(const void *_Nonnull blocks, tk_type type, float *_Nonnull y, size_t count);

// Makes blocks of `count` elements, a whole number of blocks of `type`: llama.cpp's, to the byte. F32, F16 and BF16 are
// rounded to nearest even. Returns how many elements the type cannot hold: those that are infinite or NaN, and all of a
// block whose scale half precision cannot hold. Such a block is filled with zeros.
uint64_t tk_quantise(const float *_Nonnull x, size_t count, void *_Nonnull blocks, tk_type type);

#endif
