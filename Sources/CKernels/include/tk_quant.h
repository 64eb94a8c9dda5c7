// Block-quantised weights, as GGUF files hold them.
#ifndef TK_QUANT_H
#define TK_QUANT_H

#include "ckernels.h"

// y[i] = the value of element i, for `count` elements (a whole number of blocks) of any type; the same bits as
// Python's `gguf` package gives.
void tk_dequantise(const void *_Nonnull blocks, tk_type type, float *_Nonnull y, size_t count);

// Elements and bytes of a block of a type; 1 and the element's size for plain types.
size_t tk_block_elements(tk_type type);
size_t tk_block_bytes(tk_type type);
// Bytes of a row of `columns` elements, which are a whole number of blocks.
size_t tk_row_bytes(tk_type type, size_t columns);

#endif
