// The machine's own limits: plain vector code, as wide as the path in use has it.
#include "dispatch/kernel.h"

#include <stdatomic.h>

#include "dispatch/paths.h"
#include "pool/pool.h"

#pragma clang diagnostic ignored "-Wpsabi"
typedef uint64_t u64x4 __attribute__((vector_size(32), aligned(8)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef float f32x16 __attribute__((vector_size(64)));

#define PIECE ((size_t)1 << 20)
#define CHAINS 12  // hide the latency of two units

#define READ(NAME)                                                              \
  static uint64_t NAME(const char *data) {                                      \
    u64x4 a = {0}, b = {0}, c = {0}, d = {0};                                   \
    for (size_t i = 0; i < PIECE; i += 128) {                                   \
      __builtin_prefetch(data + i + 4096);                                      \
      __builtin_prefetch(data + i + 4160);                                      \
      a += *(const u64x4 *)(data + i), b += *(const u64x4 *)(data + i + 32);    \
      c += *(const u64x4 *)(data + i + 64), d += *(const u64x4 *)(data + i + 96); \
    }                                                                           \
    a += b + c + d;                                                             \
    return a[0] + a[1] + a[2] + a[3];                                           \
  }

// The barrier keeps the compiler from folding the loop.
#define MULTIPLY_ADD(NAME, VECTOR, STEP)                                        \
  static float NAME(size_t rounds) {                                            \
    VECTOR a[CHAINS], x = (VECTOR){0} + 0.999f, y = (VECTOR){0} + 1e-3f;        \
    UNROLL for (int k = 0; k < CHAINS; k++) a[k] = y;                           \
    for (size_t i = 0; i < rounds; i++) {                                       \
      UNROLL for (int k = 0; k < CHAINS; k++) STEP;                             \
      __asm__ volatile("" : "+m"(*(char *)&rounds));                            \
    }                                                                           \
    VECTOR s = a[0];                                                            \
    for (int k = 1; k < CHAINS; k++) s += a[k];                                 \
    return s[0];                                                                \
  }
#define FUSED a[k] = __builtin_elementwise_fma(a[k], x, y)

READ(read_portable)
MULTIPLY_ADD(apart_portable, f32x8, a[k] = a[k] * x + y)
const tk_limit_kernels tk_limits_portable = {read_portable, apart_portable, 8};

#if defined(__x86_64__)
BEGIN_TARGET(AVX2)
READ(read_avx2)
MULTIPLY_ADD(fused_avx2, f32x8, FUSED)
const tk_limit_kernels tk_limits_avx2 = {read_avx2, fused_avx2, 8};
END_TARGET
BEGIN_TARGET(AVX512)
MULTIPLY_ADD(fused_avx512, f32x16, FUSED)
const tk_limit_kernels tk_limits_avx512 = {read_avx2, fused_avx512, 16};
END_TARGET
#elif defined(__aarch64__)
MULTIPLY_ADD(fused_neon, f32x8, FUSED)
const tk_limit_kernels tk_limits_neon = {read_portable, fused_neon, 8};
#endif

struct read_region {
  const tk_limit_kernels *kernels;
  const char *data;
  _Atomic uint64_t sum;
};

static void read_chunk(void *context, size_t chunk) {
  struct read_region *r = context;
  atomic_fetch_add(&r->sum, r->kernels->read(r->data + chunk * PIECE));
}

uint64_t tk_limits_read(tk_pool *pool, const void *data, size_t bytes) {
  struct read_region r = {tk_current()->limits, data, 0};
  tk_pool_run(pool, bytes / PIECE, read_chunk, &r);
  return r.sum;
}

struct multiply_region {
  const tk_limit_kernels *kernels;
  size_t rounds;
  _Atomic float sink;
};

static void multiply_chunk(void *context, size_t chunk) {
  struct multiply_region *r = context;
  (void)chunk;
  atomic_store(&r->sink, r->kernels->multiply_add(r->rounds));
}

double tk_limits_fma(tk_pool *pool, size_t millions) {
  // Small chunks, so that a thread that was held up does not hold up the others.
  const size_t rounds = 100000, chunks = millions * 1000000 / (rounds * CHAINS * 16) + tk_pool_threads(pool);
  struct multiply_region r = {tk_current()->limits, rounds, 0};
  tk_pool_run(pool, chunks, multiply_chunk, &r);
  return (double)chunks * (double)rounds * CHAINS * 2 * (double)r.kernels->lanes;
}
