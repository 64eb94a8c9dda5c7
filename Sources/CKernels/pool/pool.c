// A pool of threads. A region that follows another starts and ends in well under a microsecond.
//
// Threads claim chunks one by one from a ticket. It holds the region's number, so that a late thread cannot take a
// chunk of the next region. A thread that lost its core delays only its own chunk: the others and the caller do the
// rest.
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE  // processors that this process may use
#endif
#include "dispatch/kernel.h"

#include <pthread.h>
#include <stdatomic.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include "pool/pool.h"

// ticket = epoch:24 | chunks:20 | next:20
#define FIELD 20
#define MASK ((UINT64_C(1) << FIELD) - 1)
#define MAX_CHUNKS (MASK >> 1)  // each thread may count once beyond the end
#define SPINS 2000

// Words that are written at different times lie in different cache lines.
#define APART _Alignas(64)

struct tk_pool {
  // Read and written with each claim.
  APART _Atomic uint64_t ticket;
  _Atomic(tk_indexed_body) body;
  _Atomic(void *) context;
  // Written when a region starts, and by those who go to sleep.
  APART _Atomic uint32_t signal;  // changes when a region starts; sleepers wait on it
  _Atomic uint32_t sleepers;
  _Atomic bool stop;
  // Written when a chunk is done.
  APART _Atomic uint32_t finished;  // chunks of this region that are done
  _Atomic uint32_t waiting;         // the caller sleeps on `finished`
  // Never written.
  APART size_t threads;
  size_t started;     // workers 1 ... started run
  size_t processors;  // that this process may use
  pthread_t *workers;
  struct worker { tk_pool *pool; size_t index; } *arguments;
  float *scratch;
  size_t scratch_floats;
  void *shared;
  size_t shared_bytes;
#if !defined(__linux__)
  pthread_mutex_t mutex;
  pthread_cond_t changed;
#endif
};

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Sleeps while *word == value; may wake early.
static void sleep_on(tk_pool *pool, _Atomic uint32_t *word, uint32_t value) {
#if defined(__linux__)
  (void)pool;
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
#else
  pthread_mutex_lock(&pool->mutex);
  while (atomic_load(word) == value) pthread_cond_wait(&pool->changed, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
#endif
}

static void wake(tk_pool *pool, _Atomic uint32_t *word, int count) {
#if defined(__linux__)
  (void)pool;
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
#else
  (void)word, (void)count;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->mutex);
#endif
}

// Wakes two sleepers, if there are any and processors for them. Each wakes two more: nobody wakes 95 one by one.
static void wake_some(tk_pool *pool) {
  const size_t asleep = atomic_load(&pool->sleepers), awake = pool->threads - asleep;
  if (asleep > 0 && awake < pool->processors) wake(pool, &pool->signal, pool->processors - awake > 1 ? 2 : 1);
}

// Threads that are awake beyond the number of processors go to sleep at once: whoever holds a chunk needs a processor.
// The others then work as a pool of as many threads as there are processors.
static int spins(const tk_pool *pool) {
  return pool->threads - atomic_load(&pool->sleepers) <= pool->processors ? SPINS : 0;
}

// Claims and runs chunks of the region that `ticket` shows, until none is left.
static void drain(tk_pool *pool, size_t thread) {
  for (;;) {
    uint64_t ticket = atomic_load(&pool->ticket);
    uint64_t next = ticket & MASK, chunks = (ticket >> FIELD) & MASK;
    if (next >= chunks) return;
    // Body and context belong to this ticket if the claim below succeeds: they change only between regions.
    tk_indexed_body body = atomic_load(&pool->body);
    void *context = atomic_load(&pool->context);
    if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket + 1)) continue;
    body(context, (size_t)next, thread);
    if (atomic_fetch_add(&pool->finished, 1) + 1 == chunks && atomic_load(&pool->waiting))
      wake(pool, &pool->finished, 1);
  }
}

static void *work(void *argument) {
  struct worker *self = argument;
  tk_pool *pool = self->pool;
  uint32_t seen = atomic_load(&pool->signal);
  for (;;) {
    drain(pool, self->index);
    if (atomic_load(&pool->stop)) return NULL;
    bool changed = false;
    for (int i = spins(pool); i > 0 && !changed; i--) {
      relax();
      changed = atomic_load_explicit(&pool->signal, memory_order_acquire) != seen;
    }
    if (!changed) {
      atomic_fetch_add(&pool->sleepers, 1);
      if (atomic_load(&pool->signal) == seen) sleep_on(pool, &pool->signal, seen);
      atomic_fetch_sub(&pool->sleepers, 1);
      const uint64_t ticket = atomic_load(&pool->ticket);
      if ((ticket & MASK) < (ticket >> FIELD & MASK)) wake_some(pool);
    }
    seen = atomic_load(&pool->signal);
  }
}

static size_t usable_processors(void) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return (size_t)CPU_COUNT(&set);
#endif
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (size_t)online : 1;
}

tk_pool *tk_pool_create(size_t threads) {
  if (threads == 0) return NULL;
  tk_pool *pool = aligned_alloc(64, (sizeof(tk_pool) + 63) & ~(size_t)63);
  if (!pool) return NULL;
  memset(pool, 0, sizeof *pool);
  pool->processors = usable_processors();
  pool->workers = calloc(threads, sizeof(pthread_t));
  pool->arguments = calloc(threads, sizeof(struct worker));
  pool->threads = threads;
#if !defined(__linux__)
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->changed, NULL);
#endif
  if (!pool->workers || !pool->arguments) {
    tk_pool_destroy(pool);
    return NULL;
  }
  for (size_t i = 1; i < threads; i++) {
    pool->arguments[i] = (struct worker){pool, i};
    if (pthread_create(&pool->workers[i], NULL, work, &pool->arguments[i]) != 0) {
      tk_pool_destroy(pool);
      return NULL;
    }
    pool->started = i;
  }
  return pool;
}

void tk_pool_destroy(tk_pool *pool) {
  atomic_store(&pool->stop, true);
  atomic_fetch_add(&pool->signal, 1);
  wake(pool, &pool->signal, 1 << 30);
  for (size_t i = 1; i <= pool->started; i++) pthread_join(pool->workers[i], NULL);
  free(pool->workers);
  free(pool->arguments);
  free(pool->scratch);
  free(pool->shared);
  free(pool);
}

size_t tk_pool_threads(const tk_pool *pool) { return pool->threads; }

static void run_some(tk_pool *pool, size_t chunks, tk_indexed_body body, void *context) {
  atomic_store(&pool->finished, 0);
  atomic_store(&pool->body, body);
  atomic_store(&pool->context, context);
  uint64_t epoch = (atomic_load(&pool->ticket) >> (2 * FIELD)) + 1;
  atomic_store(&pool->ticket, (epoch << (2 * FIELD)) | ((uint64_t)chunks << FIELD));
  atomic_fetch_add(&pool->signal, 1);
  wake_some(pool);
  drain(pool, 0);
  for (int i = spins(pool); i > 0; i--) {
    if (atomic_load_explicit(&pool->finished, memory_order_acquire) == chunks) return;
    relax();
  }
  atomic_store(&pool->waiting, 1);
  for (uint32_t done = atomic_load(&pool->finished); done != chunks; done = atomic_load(&pool->finished))
    sleep_on(pool, &pool->finished, done);
  atomic_store(&pool->waiting, 0);
}

// A region of chunks first ..< first + MAX_CHUNKS of a larger one.
struct shifted { tk_indexed_body body; void *context; size_t first; };
static void run_shifted(void *context, size_t chunk, size_t thread) {
  struct shifted *s = context;
  s->body(s->context, s->first + chunk, thread);
}

void tk_pool_run_indexed(tk_pool *pool, size_t chunks, tk_indexed_body body, void *context) {
  if (chunks == 0) return;
  if (chunks == 1 || pool->threads == 1) {
    for (size_t i = 0; i < chunks; i++) body(context, i, 0);
    return;
  }
  for (size_t first = 0; first < chunks; first += MAX_CHUNKS) {
    struct shifted s = {body, context, first};
    size_t count = chunks - first < MAX_CHUNKS ? chunks - first : MAX_CHUNKS;
    run_some(pool, count, run_shifted, &s);
  }
}

struct plain { tk_body body; void *context; };
static void run_plain(void *context, size_t chunk, size_t thread) {
  (void)thread;
  struct plain *p = context;
  p->body(p->context, chunk);
}

void tk_pool_run(tk_pool *pool, size_t chunks, tk_body body, void *context) {
  struct plain p = {body, context};
  tk_pool_run_indexed(pool, chunks, run_plain, &p);
}

float *tk_pool_scratch(tk_pool *pool, size_t floats) {
  if (floats > pool->scratch_floats) {
    free(pool->scratch);
    pool->scratch_floats = floats + floats / 2;
    pool->scratch = aligned_alloc(64, (pool->threads * pool->scratch_floats * sizeof(float) + 63) & ~(size_t)63);
    if (!pool->scratch) pool->scratch_floats = 0;
  }
  return pool->scratch;
}

void *tk_pool_shared(tk_pool *pool, size_t bytes) {
  if (bytes > pool->shared_bytes) {
    free(pool->shared);
    pool->shared_bytes = (bytes + bytes / 2 + 63) & ~(size_t)63;
    pool->shared = aligned_alloc(64, pool->shared_bytes);
    if (!pool->shared) pool->shared_bytes = 0;
  }
  return pool->shared;
}
