// The machine's limits for products of bytes and of bf16, as the path in use may compute them.
#include "dispatch/kernel.h"

#include <stdatomic.h>

#include "pool/pool.h"

#pragma clang diagnostic ignored "-Wpsabi"
#define CHAINS 12  // hide the latency of two units
#define FEW 6      // where the chain is an addition of integers, and registers are scarce
#define ROUNDS ((size_t)100000)

typedef struct product_kernel {
  int32_t (*run)(size_t rounds);
  double operations;  // of a round: a product and its addition are two
} product_kernel;

// The barrier keeps the compiler from folding the loop.
#define PRODUCTS(NAME, COUNT, VECTOR, SUMS, X, Y, STEP)                 \
  static int32_t NAME(size_t rounds) {                                  \
    SUMS a[COUNT];                                                      \
    VECTOR x = X, y = Y;                                                \
    UNROLL for (int k = 0; k < COUNT; k++) a[k] = (SUMS){0};            \
    for (size_t i = 0; i < rounds; i++) {                               \
      UNROLL for (int k = 0; k < COUNT; k++) { STEP; }                  \
      __asm__ volatile("" : "+m"(*(char *)&rounds));                    \
    }                                                                   \
    SUMS s = a[0];                                                      \
    for (int k = 1; k < COUNT; k++) s += a[k];                          \
    return (int32_t)s[0];                                               \
  }

typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef float f32x16 __attribute__((vector_size(64)));

PRODUCTS(whole, CHAINS, i32x8, i32x8, (i32x8){0} + 3, (i32x8){0} + 5, a[k] = a[k] * x + y)
static const product_kernel portable = {whole, CHAINS * 8 * 2};

#if defined(__x86_64__)
#include <immintrin.h>
BEGIN_TARGET(AVX2)
// Two steps of products share a widening: sums of four products of codes below 64 fit sixteen bits.
INLINE i32x8 pairs(i32x8 sum, __m256i x, __m256i y) {
  const __m256i low = _mm256_maddubs_epi16(x, y), high = _mm256_maddubs_epi16(y, x);
  return sum + (i32x8)_mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1));
}
PRODUCTS(bytes_avx2, FEW, __m256i, i32x8, _mm256_set1_epi8(3), _mm256_set1_epi8(5),
         __asm__ volatile("" : "+x"(x), "+x"(y)); a[k] = pairs(a[k], x, y))
static const product_kernel avx2 = {bytes_avx2, FEW * 64 * 2};
END_TARGET
BEGIN_TARGET(AVX2 ",avxvnni")
PRODUCTS(bytes_avxvnni, CHAINS, __m256i, i32x8, _mm256_set1_epi8(3), _mm256_set1_epi8(5),
         a[k] = (i32x8)_mm256_dpbusd_avx_epi32((__m256i)a[k], x, y))
static const product_kernel avxvnni = {bytes_avxvnni, CHAINS * 32 * 2};
END_TARGET
BEGIN_TARGET(AVX512 ",avx512vnni")
PRODUCTS(bytes_avx512, CHAINS, __m512i, i32x16, _mm512_set1_epi8(3), _mm512_set1_epi8(5),
         a[k] = (i32x16)_mm512_dpbusd_epi32((__m512i)a[k], x, y))
static const product_kernel avx512 = {bytes_avx512, CHAINS * 64 * 2};
END_TARGET
BEGIN_TARGET(AVX512 ",avx512bf16")
PRODUCTS(bf16_avx512, CHAINS, __m512i, f32x16, _mm512_set1_epi16(0x3c00), _mm512_set1_epi16(0x3c00),
         a[k] = (f32x16)_mm512_dpbf16_ps((__m512)a[k], (__m512bh)x, (__m512bh)y))
static const product_kernel bf16 = {bf16_avx512, CHAINS * 32 * 2};
END_TARGET
#elif defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
PRODUCTS(bytes_neon, CHAINS, int8x16_t, int32x4_t, vdupq_n_s8(3), vdupq_n_s8(5), a[k] = vdotq_s32(a[k], x, y))
static const product_kernel neon = {bytes_neon, CHAINS * 16 * 2};
#endif

static const product_kernel *bytes_here(void) {
  const char *isa = tk_isa();
  if (strcmp(isa, "portable") == 0) return &portable;
#if defined(__x86_64__)
  if (strcmp(isa, "avx512") == 0 && __builtin_cpu_supports("avx512vnni")) return &avx512;
  return strcmp(isa, "avxvnni") == 0 ? &avxvnni : &avx2;
#elif defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
  return &neon;
#else
  return &portable;
#endif
}

struct product_region {
  const product_kernel *kernel;
  _Atomic int32_t sink;
};

static void run_products(void *context, size_t chunk) {
  struct product_region *r = context;
  (void)chunk;
  atomic_store(&r->sink, r->kernel->run(ROUNDS));
}

static double run(tk_pool *pool, const product_kernel *kernel, size_t millions) {
  struct product_region r = {kernel, 0};
  const size_t chunks = (size_t)((double)millions * 1e6 / (ROUNDS * kernel->operations)) + tk_pool_threads(pool);
  tk_pool_run(pool, chunks, run_products, &r);
  return (double)chunks * (double)ROUNDS * kernel->operations;
}

double tk_limits_bytes(tk_pool *pool, size_t millions) { return run(pool, bytes_here(), millions); }

double tk_limits_bf16(tk_pool *pool, size_t millions) {
#if defined(__x86_64__)
  if (strcmp(tk_isa(), "avx512") == 0 && __builtin_cpu_supports("avx512bf16")) return run(pool, &bf16, millions);
#endif
  return tk_limits_fma(pool, millions);
}
