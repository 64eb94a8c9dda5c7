// What this machine can do at best, for comparison: all threads of a pool read memory, or compute.
#ifndef TK_LIMITS_H
#define TK_LIMITS_H

#include "tk_pool.h"
#include "tk_types.h"

// Reads `bytes` bytes (a multiple of 1 MiB) and returns something that depends on them.
uint64_t tk_limits_read(tk_pool *_Nonnull pool, const void *_Nonnull data, size_t bytes);
// Fused multiply-adds in registers only; returns how many float32 operations were done.
double tk_limits_fma(tk_pool *_Nonnull pool, size_t millions);
// The same for products of bytes summed in 32 bits, and for products of bf16 summed in float32 (as float32, where the
// path in use has no instruction for them). A product and its addition count as two.
double tk_limits_bytes(tk_pool *_Nonnull pool, size_t millions);
double tk_limits_bf16(tk_pool *_Nonnull pool, size_t millions);

#endif
