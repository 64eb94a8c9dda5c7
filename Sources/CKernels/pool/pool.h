// The pool as kernels use it: regions, and memory that lives as long as the pool.
#ifndef TK_POOL_REGIONS_H
#define TK_POOL_REGIONS_H

#include "ckernels.h"

typedef void (*tk_indexed_body)(void *context, size_t chunk, size_t thread);
// As tk_pool_run. Chunks that run at the same time have different `thread`, below tk_pool_threads.
void tk_pool_run_indexed(tk_pool *pool, size_t chunks, tk_indexed_body body, void *context);
// Scratch of at least `floats` floats for each thread, one after the other; null when memory is out.
float *tk_pool_scratch(tk_pool *pool, size_t floats);
// Memory of at least `bytes` for all threads together; null when memory is out. Growing loses what it held.
void *tk_pool_shared(tk_pool *pool, size_t bytes);

#endif
