// The making of blocks on each path of instructions.
#ifndef TK_QUANTISE_TABLE_H
#define TK_QUANTISE_TABLE_H

#include "include/tk_quantise.h"

typedef uint64_t (*tk_quantise_blocks)(const float *x, size_t count, void *blocks, tk_type type);
extern const tk_quantise_blocks tk_quantise_portable;
#if defined(__x86_64__)
extern const tk_quantise_blocks tk_quantise_avx2;
#endif

#endif
