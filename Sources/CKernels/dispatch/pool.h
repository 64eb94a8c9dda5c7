// The pool, as kernels see it: regions, and scratch memory that lives as long as it does.
#ifndef TK_POOL_REGIONS_H
#define TK_POOL_REGIONS_H

#include "ckernels.h"

typedef void (*tk_indexed_body)(void *context, size_t chunk, size_t thread);
// As tk_pool_run; `thread` (below tk_pool_threads) tells concurrent chunks apart.
void tk_pool_run_indexed(tk_pool *pool, size_t chunks, tk_indexed_body body, void *context);
// Scratch of at least `floats` floats for each thread, consecutive; grown when needed. Null when memory is out.
float *tk_pool_scratch(tk_pool *pool, size_t floats);
// Memory for all threads, `bytes` at least, kept like the scratch; null when there is none. What it held is lost when it
// grows.
void *tk_pool_shared(tk_pool *pool, size_t bytes);

#endif
