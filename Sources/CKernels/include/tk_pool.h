// A pool of threads.
#ifndef TK_POOL_H
#define TK_POOL_H

#include "tk_types.h"

typedef struct tk_pool tk_pool;
typedef void (*tk_body)(void *_Nullable context, size_t chunk);
// Makes a pool of `threads` threads: the caller of tk_pool_run is one of them, the others are started here. Null when a
// thread cannot be started.
tk_pool *_Nullable tk_pool_create(size_t threads);
void tk_pool_destroy(tk_pool *_Nonnull pool);
size_t tk_pool_threads(const tk_pool *_Nonnull pool);
// Runs body(context, 0 ..< chunks) on all threads and returns when all chunks are done. Threads claim chunks one at a
// time, so that one that lost its core delays only its own chunk. One caller at a time, and never from within a body.
void tk_pool_run(tk_pool *_Nonnull pool, size_t chunks, tk_body _Nonnull body, void *_Nullable context);

#endif
