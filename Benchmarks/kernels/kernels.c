// The kernels in isolation, each as a share of what this processor can do at all.
//
//   Benchmarks/kernels/run.sh [isa] [threads] [part] [f32 or bf16: activations]
//
// Weights are read from memory that is larger than the caches, in turn, as a model's layers are. Time is the CPU
// time of the calling thread for one thread and wall time for more; the best of several calls. The limits (plain
// reads; fused multiply-adds on registers) are measured in the same run and by the same clock.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ckernels.h"

static size_t threads = 1;
static tk_activations activations = TK_ACTIVATIONS_F32;

static double now(void) {
  struct timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ---- Limits ----------------------------------------------------------------------------------

typedef float v8 __attribute__((vector_size(32)));
typedef float v16 __attribute__((vector_size(64)));
typedef uint64_t u8x8 __attribute__((vector_size(64), aligned(64)));
static volatile float sink;

// Twelve independent chains hide the latency of any processor's additions.
#define DEFINE_PEAK(NAME, TYPE, TARGET)                                                                    \
  TARGET static void NAME(void *context, size_t chunk) {                                                   \
    TYPE x = (TYPE){} + 0.999f, y = (TYPE){} + 1e-3f, a = y, b = a + 1, c = b + 1, d = c + 1, e = d + 1,   \
         f = e + 1, g = f + 1, h = g + 1, i = h + 1, j = i + 1, k = j + 1, l = k + 1;                      \
    for (size_t rounds = *(size_t *)context; rounds > 0; rounds--) {                                       \
      ONE(a) ONE(b) ONE(c) ONE(d) ONE(e) ONE(f) ONE(g) ONE(h) ONE(i) ONE(j) ONE(k) ONE(l)                  \
      ONE(a) ONE(b) ONE(c) ONE(d) ONE(e) ONE(f) ONE(g) ONE(h) ONE(i) ONE(j) ONE(k) ONE(l)                  \
    }                                                                                                      \
    a += b + c + d + e + f + g + h + i + j + k + l;                                                        \
    sink = a[chunk & 7];                                                                                   \
  }
#define ONE(A) A = __builtin_elementwise_fma(A, x, y);
#if defined(__x86_64__)
DEFINE_PEAK(peak_256, v8, __attribute__((target("avx2,fma"))))
DEFINE_PEAK(peak_512, v16, __attribute__((target("avx512f"))))
#else
DEFINE_PEAK(peak_256, v8, )
#define peak_512 peak_256
#endif

struct reading { const char *bytes; size_t size, chunks; };
#if defined(__x86_64__)
__attribute__((target("avx2")))
#endif
static void read_chunk(void *context, size_t chunk) {
  struct reading *r = context;
  const size_t size = r->size / r->chunks & ~(size_t)255;
  const char *p = r->bytes + chunk * size;
  u8x8 a = {0}, b = a, c = a, d = a;
  for (size_t i = 0; i < size; i += 256) {
    __builtin_prefetch(p + i + 2048);
    __builtin_prefetch(p + i + 2112);
    __builtin_prefetch(p + i + 2176);
    __builtin_prefetch(p + i + 2240);
    a ^= *(const u8x8 *)(p + i), b ^= *(const u8x8 *)(p + i + 64);
    c ^= *(const u8x8 *)(p + i + 128), d ^= *(const u8x8 *)(p + i + 192);
  }
  a ^= b ^ c ^ d;
  sink = (float)(a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7]);
}

// ---- Cases -----------------------------------------------------------------------------------

static tk_pool *pool;
static char *weights;
static size_t weight_bytes, cursor;
static double peak, bandwidth;

// The next `bytes` of cold weights, off the lines of memory as in most files.
static const char *cold(size_t bytes) {
  if (cursor + bytes + 32 > weight_bytes) cursor = 0;
  const char *p = weights + cursor + 32;
  cursor += (bytes + 32 + 4095) & ~(size_t)4095;
  return p;
}

// The best so far of both limits; called again between measurements, because a shared host's limits move.
static void measure_limits(void) {
  size_t rounds = 1000000;
  const bool wide = strcmp(tk_isa(), "avx512") == 0;
  double t = now();
  tk_pool_run(pool, threads, wide ? peak_512 : peak_256, &rounds);
  t = now() - t;
  peak = fmax(peak, (double)(rounds * threads) * 24 * (wide ? 32 : 16) / t);
  struct reading r = {weights, weight_bytes, 256};
  t = now();
  tk_pool_run(pool, r.chunks, read_chunk, &r);
  t = now() - t;
  bandwidth = fmax(bandwidth, (double)weight_bytes / t);
}

static float *floats(size_t count) {
  float *p = aligned_alloc(64, (count * sizeof(float) + 63) & ~(size_t)63);
  for (size_t i = 0; i < count; i++) p[i] = (float)((i * 2654435761u) % 2001) / 1000.0f - 1.0f;
  return p;
}

static void measure_linear(size_t rows, size_t columns, size_t n, tk_type type, size_t rank, size_t adapters) {
  const size_t size = type == TK_F32 ? 4 : 2;
  float *x = floats(n * columns), *y = floats(n * rows), *u = floats(n * (rank + 1));
  double best = 1e9;
  const double work = 2.0 * (double)(rows * columns) * (double)n;
  const int repeats = (int)fmin(40, fmax(4, 4e10 / work));
  tk_low_rank terms[64];
  for (int i = 0; i < repeats; i++) {
    tk_linear_args m = {.weights = cold(rows * columns * size), .type = type, .rows = rows, .columns = columns,
                        .x = x, .x_stride = columns, .n = n, .y = y, .y_stride = rows, .activations = activations};
    for (size_t j = 0; j < adapters; j++) {
      const size_t first = n * j / adapters;
      terms[j] = (tk_low_rank){.a = cold(rank * columns * 2), .b = cold(rank * rows * 2), .a_type = TK_BF16,
                               .b_type = TK_BF16, .rank = rank, .scale = 0.5f, .first = first,
                               .count = n * (j + 1) / adapters - first, .u = u + first * rank};
    }
    m.terms = terms;
    m.term_count = adapters;
    double t = now();
    tk_linear(pool, &m, 1);
    t = now() - t;
    if (t < best) best = t;
  }
  printf("%5zu x %5zu  n=%4zu  r=%2zu x %2zu  %8.1f us  %6.1f GFLOP/s %3.0f %%  %6.2f GB/s %3.0f %%\n", rows, columns,
         n, adapters ? rank : 0, adapters, best * 1e6, work / best * 1e-9, 100 * work / best / peak,
         (double)(rows * columns * size) / best * 1e-9, 100 * (double)(rows * columns * size) / best / bandwidth);
  free(x), free(y), free(u);
}

// One layer of the 1.5B shape: 12 query heads over 2 key heads of 128, float16. `streams` sequences with `queries`
// new tokens each, the last of `keys`.
static void measure_attention(size_t streams, size_t queries, size_t keys) {
  enum { HEADS = 12, KV = 2, D = 128, PAGE = 32 };
  const size_t plane = PAGE * KV * D * 2, pages_each = (keys + PAGE - 1) / PAGE, n = streams * queries;
  const tk_attention_shape shape = {HEADS, KV, D, PAGE, 0, plane, TK_F16, 0.0883883f};
  float *q = floats(n * HEADS * D), *out = floats(n * HEADS * D);
  const uint8_t **pages = malloc(streams * pages_each * sizeof *pages);
  tk_attention_row *rows = malloc(n * sizeof *rows);
  double work = 0, best = 1e9;
  for (int repeat = 0; repeat < 10; repeat++) {
    for (size_t i = 0; i < streams * pages_each; i++) pages[i] = (const uint8_t *)cold(2 * plane);
    work = 0;
    for (size_t i = 0; i < n; i++) {
      const size_t visible = keys - queries + 1 + i % queries;
      const uint8_t *const *own = pages + i / queries * pages_each;
      rows[i] = (tk_attention_row){q + i * HEADS * D, out + i * HEADS * D, own, visible, 0};
      work += 4.0 * HEADS * D * (double)visible;
    }
    double t = now();
    tk_attention(pool, &shape, rows, n, keys);
    t = now() - t;
    if (t < best) best = t;
  }
  const double bytes = (double)(streams * keys * KV * D * 4);
  printf("attention, %2zu streams x %3zu queries, %5zu keys: %8.1f us  %6.1f GFLOP/s %3.0f %%  %6.2f GB/s %3.0f %%\n",
         streams, queries, keys, best * 1e6, work / best * 1e-9, 100 * work / best / peak, bytes / best * 1e-9,
         100 * bytes / best / bandwidth);
  free(q), free(out), free(pages), free(rows);
}

// A whole step of the 1.5B shape: 28 blocks and the vocabulary, for `streams` sequences of `queries` new tokens at
// `keys`, with `adapters` of rank 32 (bf16) on all seven maps. The share of the peak counts the base's products and
// the adapters', not attention's; that of reads all weights once.
static void measure_step(size_t streams, size_t queries, size_t keys, size_t adapters) {
  enum { LAYERS = 28, HIDDEN = 1536, INNER = 8960, KEYS = 256, HEADS = 12, KV = 2, D = 128, PAGE = 32, RANK = 32 };
  enum { VOCABULARY = 151936 };
  static const size_t shapes[7][2] = {{HIDDEN, HIDDEN}, {KEYS, HIDDEN},  {KEYS, HIDDEN}, {HIDDEN, HIDDEN},
                                      {INNER, HIDDEN},  {INNER, HIDDEN}, {HIDDEN, INNER}};
  const size_t n = streams * queries, plane = PAGE * KV * D * 2, pages_each = (keys + PAGE - 1) / PAGE;
  const tk_attention_shape shape = {HEADS, KV, D, PAGE, 0, plane, TK_F16, 0.0883883f};
  float *x = floats(n * HIDDEN), *h = floats(n * HIDDEN), *gate = floats(n * INNER), *up = floats(n * INNER);
  float *q = floats(n * HIDDEN), *k = floats(n * KEYS), *v = floats(n * KEYS), *out = floats(n * HIDDEN);
  float *logits = floats(streams * VOCABULARY), *norm = floats(HIDDEN), *u = floats(3 * n * RANK);
  const uint8_t **pages = malloc(streams * pages_each * sizeof *pages);
  tk_attention_row *rows = malloc(n * sizeof *rows);
  uint32_t *positions = malloc(n * sizeof *positions);
  float *angles = floats(keys * D / 2);
  tk_low_rank *terms = malloc(3 * (adapters + 1) * sizeof *terms);
  double best = 1e9, work = 0, bytes = 0;
  peak = bandwidth = 0;
  for (int repeat = 0; repeat < (n > 64 ? 2 : n > 1 ? 4 : 12); repeat++) {
    measure_limits();
    double start = now();
    work = bytes = 0;
    for (size_t layer = 0; layer <= LAYERS; layer++) {
      // The maps that share an input: q, k, v; o; gate, up; down; at last the vocabulary.
      static const size_t groups[5] = {0, 3, 4, 6, 7};
      for (size_t g = 0; g < (layer < LAYERS ? 4 : 1); g++) {
        tk_linear_args maps[3];
        size_t count = 0, used = 0;
        const float *input = g == 1 ? out : g == 3 ? gate : h;
        float *outputs[7] = {q, k, v, x, gate, up, x};
        if (g == 0 || g == 2) tk_rmsnorm(pool, x, n, HIDDEN, norm, 1e-6f, h);
        for (size_t m = groups[g]; m < groups[g + 1]; m++, count++) {
          if (layer == LAYERS && m > 0) break;
          const size_t height = layer < LAYERS ? shapes[m][0] : VOCABULARY;
          const size_t columns = layer < LAYERS ? shapes[m][1] : HIDDEN;
          const size_t inputs = layer < LAYERS ? n : streams;
          maps[count] = (tk_linear_args){.weights = cold(2 * height * columns), .type = TK_BF16, .rows = height,
                                         .columns = columns, .x = input, .x_stride = columns, .n = inputs,
                                         .y = layer < LAYERS ? outputs[m] : logits, .y_stride = height,
                                         .add = layer < LAYERS && (m == 3 || m == 6), .terms = terms + used,
                                         .activations = activations};
          work += 2.0 * (double)(height * columns * inputs);
          bytes += 2.0 * (double)(height * columns);
          for (size_t j = 0; j < adapters && layer < LAYERS; j++, used++) {
            const size_t first = n * j / adapters;
            terms[used] = (tk_low_rank){.a = cold(2 * RANK * columns), .b = cold(2 * RANK * height), .a_type = TK_BF16,
                                        .b_type = TK_BF16, .rank = RANK, .scale = 1e-3f, .first = first,
                                        .count = n * (j + 1) / adapters - first, .u = u + (count * n + first) * RANK};
            maps[count].term_count++;
            bytes += 2.0 * RANK * (double)(height + columns);
          }
          if (adapters && layer < LAYERS) work += 2.0 * RANK * (double)((height + columns) * n);
        }
        tk_linear(pool, maps, count);
        if (layer == LAYERS) break;
        if (g == 0) {
          for (size_t i = 0; i < streams * pages_each; i++) pages[i] = (const uint8_t *)cold(2 * plane);
          for (size_t i = 0; i < n; i++) {
            const size_t visible = keys - queries + 1 + i % queries;
            positions[i] = (uint32_t)visible - 1;
            const uint8_t *const *own = pages + i / queries * pages_each;
            rows[i] = (tk_attention_row){q + i * HIDDEN, out + i * HIDDEN, own, visible, 0};
          }
          tk_rope(q, n, HIDDEN, HEADS, D, angles, angles, positions);
          tk_rope(k, n, KEYS, KV, D, angles, angles, positions);
          tk_attention(pool, &shape, rows, n, keys);
        }
        if (g == 2) tk_swiglu(pool, gate, up, n, INNER);
      }
      if (layer + 1 == LAYERS) tk_rmsnorm(pool, x, streams, HIDDEN, norm, 1e-6f, h);
    }
    start = now() - start;
    if (start < best) best = start;
  }
  printf("step: %2zu streams x %3zu tokens at %4zu, %2zu adapters: "
         "%7.1f ms  %6.1f tok/s  %3.0f %% of peak  %3.0f %% of reads\n",
         streams, queries, keys, adapters, best * 1e3, (double)n / best, 100 * work / best / peak,
         100 * bytes / best / bandwidth);
  free(x), free(h), free(gate), free(up), free(q), free(k), free(v), free(out), free(logits), free(norm), free(u);
  free(pages), free(rows), free(positions), free(angles), free(terms);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "best") != 0 && !tk_isa_select(argv[1])) {
    fprintf(stderr, "kernels: this processor has no %s\n", argv[1]);
    return 1;
  }
  threads = argc > 2 ? (size_t)atoi(argv[2]) : 1;
  const char *what = argc > 3 ? argv[3] : "all";
  if (argc > 4 && strcmp(argv[4], "bf16") == 0) activations = TK_ACTIVATIONS_BF16;
  pool = tk_pool_create(threads);
  weight_bytes = (size_t)512 << 20;
  weights = aligned_alloc(1 << 21, weight_bytes);
  for (size_t i = 0; i < weight_bytes / 2; i++)
    ((uint16_t *)weights)[i] = (uint16_t)(0x3c00 + (i * 40503u) % 255 + ((i & 1) << 15));

  for (int i = 0; i < 5; i++) measure_limits();
  printf("%s, %zu threads: peak %.0f GFLOP/s, reads %.1f GB/s\n", tk_isa(), threads, peak * 1e-9, bandwidth * 1e-9);

  if (strcmp(what, "all") == 0 || strcmp(what, "gemv") == 0) {
    measure_linear(1536, 1536, 1, TK_BF16, 0, 0);
    measure_linear(8960, 1536, 1, TK_BF16, 0, 0);
    measure_linear(1536, 8960, 1, TK_BF16, 0, 0);
    measure_linear(8960, 1536, 1, TK_BF16, 32, 1);
  }
  if (strcmp(what, "all") == 0 || strcmp(what, "gemm") == 0) {
    static const size_t counts[] = {2, 4, 8, 16, 32, 64, 128, 512};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
      measure_linear(1536, 1536, counts[i], TK_BF16, 0, 0);
      measure_linear(8960, 1536, counts[i], TK_BF16, 0, 0);
      measure_linear(1536, 8960, counts[i], TK_BF16, 0, 0);
    }
  }
  if (strcmp(what, "all") == 0 || strcmp(what, "lora") == 0) {
    static const size_t adapters[] = {0, 1, 4, 16};
    for (size_t i = 0; i < 4; i++) {
      measure_linear(8960, 1536, 16, TK_BF16, 32, adapters[i]);
      measure_linear(1536, 8960, 16, TK_BF16, 32, adapters[i]);
    }
  }
  if (strcmp(what, "all") == 0 || strcmp(what, "attention") == 0) {
    measure_attention(1, 1, 512);
    measure_attention(1, 1, 8192);
    measure_attention(16, 1, 512);
    measure_attention(1, 512, 512);
    measure_attention(1, 512, 8192);
  }
  if (strcmp(what, "all") == 0 || strcmp(what, "step") == 0) {
    measure_step(1, 1, 512, 0);
    measure_step(1, 1, 512, 1);
    measure_step(1, 1, 8192, 1);
    measure_step(16, 1, 80, 0);
    measure_step(16, 1, 80, 1);
    measure_step(16, 1, 80, 16);
    measure_step(32, 1, 80, 1);
    measure_step(1, 512, 512, 1);
  }
  tk_pool_destroy(pool);
}
