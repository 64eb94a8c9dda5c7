// Threads.
#ifndef TK_POOL_H
#define TK_POOL_H

#include "tk_types.h"

typedef struct tk_pool tk_pool;
typedef void (*tk_body)(void *_Nullable context, size_t chunk);
// A pool of `threads` workers, the caller of tk_pool_run being one of them (so threads - 1 are
// started). Null when a thread cannot be started.
tk_pool *_Nullable tk_pool_create(size_t threads);
void tk_pool_destroy(tk_pool *_Nonnull pool);
size_t tk_pool_threads(const tk_pool *_Nonnull pool);
// Runs body(context, 0 ..< chunks) over the pool and returns when all are done. Threads claim
// chunks one at a time, so a descheduled worker never holds up the rest. One caller at a time; not to be
// called from within a body.
void tk_pool_run(tk_pool *_Nonnull pool, size_t chunks, tk_body _Nonnull body, void *_Nullable context);

#endif
