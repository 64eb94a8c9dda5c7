// The machine's own limits. Plain vector code, widest that the path in use has.
#include "kernel.h"

#include <stdatomic.h>
#include <string.h>

#include "pool.h"
#include "table.h"
#include "include/tk_limits.h"

#pragma clang diagnostic ignored "-Wpsabi"
typedef uint64_t u64x4 __attribute__((vector_size(32), aligned(8)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef float f32x16 __attribute__((vector_size(64)));

#define PIECE ((size_t)1 << 20)

struct read_region {
  const char *data;
  _Atomic uint64_t sum;
  void (*read)(const char *data, uint64_t *sum);
};

#define READ(name)                                                              \
  static void name(const char *data, uint64_t *sum) {                           \
    u64x4 a = {0}, b = {0}, c = {0}, d = {0};                                   \
    for (size_t i = 0; i < PIECE; i += 128) {                                   \
      __builtin_prefetch(data + i + 4096);                                      \
      __builtin_prefetch(data + i + 4160);                                      \
      a += *(const u64x4 *)(data + i), b += *(const u64x4 *)(data + i + 32);    \
      c += *(const u64x4 *)(data + i + 64), d += *(const u64x4 *)(data + i + 96); \
    }                                                                           \
    a += b + c + d;                                                             \
    *sum = a[0] + a[1] + a[2] + a[3];                                           \
  }

// Twelve chains hide the latency of two units. The barrier keeps the compiler from folding the loop.
#define FMA(name, vector, lanes)                                                \
  static float name(size_t rounds) {                                            \
    vector a[12], x, y;                                                         \
    for (int j = 0; j < lanes; j++) x[j] = 0.999f, y[j] = 1e-3f;                \
    for (int k = 0; k < 12; k++) a[k] = y;                                      \
    for (size_t i = 0; i < rounds; i++) {                                       \
      _Pragma("clang loop unroll(full)")                                        \
      for (int k = 0; k < 12; k++) a[k] = __builtin_elementwise_fma(a[k], x, y); \
      __asm__ volatile("" : "+m"(*(char *)&rounds));                            \
    }                                                                           \
    vector s = a[0];                                                            \
    for (int k = 1; k < 12; k++) s += a[k];                                     \
    return s[0];                                                                \
  }

READ(read_portable)

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
READ(read_avx2)
FMA(fma_wide, f32x8, 8)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f"))), apply_to = function)
FMA(fma_512, f32x16, 16)
#pragma clang attribute pop
#else
FMA(fma_wide, f32x8, 8)
#endif

// Without a fused instruction (the portable path of x86-64) products and sums are told apart.
static float fma_apart(size_t rounds) {
  f32x8 a[6], x, y;
  for (int j = 0; j < 8; j++) x[j] = 0.999f, y[j] = 1e-3f;
  for (int k = 0; k < 6; k++) a[k] = y;
  for (size_t i = 0; i < rounds * 2; i++) {
    _Pragma("clang loop unroll(full)") for (int k = 0; k < 6; k++) a[k] = a[k] * x + y;
    __asm__ volatile("" : "+m"(*(char *)&rounds));
  }
  return (a[0] + a[1] + a[2] + a[3] + a[4] + a[5])[0];
}

static bool is_portable(void) { return strcmp(tk_current()->name, "portable") == 0; }

static void read_chunk(void *context, size_t chunk) {
  struct read_region *r = context;
  uint64_t sum;
  r->read(r->data + chunk * PIECE, &sum);
  atomic_fetch_add(&r->sum, sum);
}

uint64_t tk_limits_read(tk_pool *pool, const void *data, size_t bytes) {
  struct read_region r = {data, 0, read_portable};
#if defined(__x86_64__)
  if (!is_portable()) r.read = read_avx2;
#endif
  tk_pool_run(pool, bytes / PIECE, read_chunk, &r);
  return r.sum;
}

struct fma_region {
  size_t rounds;
  float (*run)(size_t rounds);
  _Atomic float sink;
};

static void fma_chunk(void *context, size_t chunk) {
  struct fma_region *r = context;
  (void)chunk;
  atomic_store(&r->sink, r->run(r->rounds));
}

double tk_limits_fma(tk_pool *pool, size_t millions) {
  // Small chunks, so that a thread that was held up does not hold up the others.
  const size_t rounds = 100000, chunks = millions * 1000000 / (rounds * 12 * 16) + tk_pool_threads(pool);
  struct fma_region r = {rounds, is_portable() ? fma_apart : fma_wide, 0};
  double lanes = 8;
#if defined(__x86_64__)
  if (strcmp(tk_current()->name, "avx512") == 0) r.run = fma_512, lanes = 16;
#else
  r.run = fma_wide;
#endif
  tk_pool_run(pool, chunks, fma_chunk, &r);
  return (double)chunks * (double)rounds * 12 * 2 * lanes;
}
