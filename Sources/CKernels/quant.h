// Block-quantised weights on each path of instructions.
#ifndef TK_QUANT_TABLE_H
#define TK_QUANT_TABLE_H

#include "include/tk_quant.h"

typedef void (*tk_dequantise_blocks)(const void *blocks, tk_type type, float *y, size_t count);
extern const tk_dequantise_blocks tk_dequantise_portable;
#if defined(__x86_64__)
extern const tk_dequantise_blocks tk_dequantise_avx2;
#endif

#endif
