// Several builds of the kernels in turns within one process: turns.sh
//
// A shared machine's memory changes its speed within seconds, so builds are compared call by call on the same weights'
// neighbours: plain reads of as many bytes, then each build, then again. Medians are printed, and the median of each
// build's ratio to the first one.
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ckernels.h"

enum { BUILDS_MAX = 8, ROUNDS_MAX = 400 };
struct build {
  tk_pool *pool;
  void (*linear)(tk_pool *, const tk_linear_args *, size_t);
  void (*run)(tk_pool *, size_t, tk_body, void *);
  bool (*select)(const char *);
};
static struct build builds[BUILDS_MAX];
static size_t build_count, threads, weight_bytes, cursor;
static char *weights;
static volatile uint64_t sink;

static double now(void) {
  struct timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *cold(size_t bytes) {
  if (cursor + bytes + 32 > weight_bytes) cursor = 0;
  const char *p = weights + cursor + 32;  // off the lines of memory, as in most files
  cursor += (bytes + 32 + 4095) & ~(size_t)4095;
  return p;
}

typedef uint64_t u8x8 __attribute__((vector_size(64), aligned(32)));
struct reading { const char *bytes; size_t size, chunks; };
#if defined(__x86_64__)
__attribute__((target("avx2")))
#endif
static void read_chunk(void *context, size_t chunk) {
  const struct reading *r = context;
  const size_t size = r->size / r->chunks & ~(size_t)255;
  const char *p = r->bytes + chunk * size;
  u8x8 a = {0}, b = a, c = a, d = a;
  for (size_t i = 0; i < size; i += 256) {
    for (size_t j = 2048; j < 2304; j += 64) __builtin_prefetch(p + i + j);
    a ^= *(const u8x8 *)(p + i), b ^= *(const u8x8 *)(p + i + 64);
    c ^= *(const u8x8 *)(p + i + 128), d ^= *(const u8x8 *)(p + i + 192);
  }
  a ^= b ^ c ^ d;
  sink = a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7];
}

typedef float v16 __attribute__((vector_size(64)));
#if defined(__x86_64__)
__attribute__((target("avx512f")))
#endif
static void peak_chunk(void *context, size_t chunk) {
  v16 a[12];
  for (int i = 0; i < 12; i++) a[i] = (v16){} + (float)i;
  const v16 x = (v16){} + 0.999f, y = (v16){} + 1e-3f;
  for (size_t rounds = *(size_t *)context; rounds > 0; rounds--)
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 12; i++) a[i] = __builtin_elementwise_fma(a[i], x, y);
  for (int i = 1; i < 12; i++) a[0] += a[i];
  sink = (uint64_t)a[0][chunk & 7];
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}
static double median(double *x, size_t count) {
  qsort(x, count, sizeof *x, ascending);
  return x[count / 2];
}

static float *floats(size_t count) {
  float *p = aligned_alloc(64, (count * sizeof(float) + 63) & ~(size_t)63);
  for (size_t i = 0; i < count; i++) p[i] = (float)((i * 2654435761u) % 2001) / 1000.0f - 1.0f;
  return p;
}

// `maps` maps of the same inputs.
static void measure(size_t rows, size_t columns, size_t n, tk_type type, size_t rank, tk_activations activations,
                    size_t rounds, double peak) {
  const size_t bytes = rows * tk_row_bytes(type, columns);
  float *x = floats(n * columns), *y = floats(n * rows), *u = floats(n * (rank + 1));
  static double reads[ROUNDS_MAX], times[BUILDS_MAX][ROUNDS_MAX], ratios[BUILDS_MAX][ROUNDS_MAX];
  for (size_t i = 0; i < rounds; i++) {
    struct reading r = {cold(bytes), bytes, bytes / 131072 + 1};
    double t = now();
    builds[0].run(builds[0].pool, r.chunks, read_chunk, &r);
    reads[i] = now() - t;
    for (size_t k = 0; k < build_count; k++) {
      const size_t b = (k + i) % build_count;
      const tk_low_rank term = {.a = cold(rank * columns * 2 + 64), .b = cold(rank * rows * 2 + 64),
                                .a_type = TK_BF16, .b_type = TK_BF16, .rank = rank, .scale = 0.5f, .count = n, .u = u};
      const tk_linear_args m = {.weights = cold(bytes), .type = type, .rows = rows, .columns = columns, .x = x,
                                .x_stride = columns, .n = n, .y = y, .y_stride = rows, .activations = activations,
                                .terms = &term, .term_count = rank > 0};
      t = now();
      builds[b].linear(builds[b].pool, &m, 1);
      times[b][i] = now() - t;
    }
    for (size_t b = 0; b < build_count; b++) ratios[b][i] = times[0][i] / times[b][i];
  }
  const double read = median(reads, rounds), work = 2.0 * (double)(rows * columns * n);
  const double arithmetic = work / peak, larger = fmax(read, arithmetic);
  printf("%4s %6zu x %5zu n=%3zu r=%2zu  reads %5.1f GB/s ",
         type == TK_F32 ? "f32" : type == TK_F16 ? "f16" : activations == TK_ACTIVATIONS_BF16 ? "b/b" : "bf16", rows,
         columns, n, rank, (double)bytes / read * 1e-9);
  for (size_t b = 0; b < build_count; b++) {
    const double time = median(times[b], rounds);
    printf(" | %7.1f us %5.0f GF %3.0f %% of %s", time * 1e6, work / time * 1e-9, 100 * larger / time,
           read > arithmetic ? "reads" : "peak ");
    if (b > 0) printf(" x%.3f", median(ratios[b], rounds));
  }
  printf("\n");
  fflush(stdout);
  free(x), free(y), free(u);
}

// turns THREADS ROUNDS WHAT BUILD...   WHAT: letters of types (b bf16, h f16, f f32, r bf16 with bf16 inputs), then
// counts of inputs, with +RANK for an adapter: br,1,2,8,1+32
int main(int argc, char **argv) {
  if (argc < 5) return 64;
  threads = (size_t)atoi(argv[1]);
  const size_t rounds = (size_t)atoi(argv[2]) < ROUNDS_MAX ? (size_t)atoi(argv[2]) : ROUNDS_MAX;
  for (int i = 4; i < argc && build_count < BUILDS_MAX; i++) {
    void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
    struct build *b = &builds[build_count++];
    b->linear = (void (*)(tk_pool *, const tk_linear_args *, size_t))dlsym(library, "tk_linear");
    b->run = (void (*)(tk_pool *, size_t, tk_body, void *))dlsym(library, "tk_pool_run");
    b->pool = ((tk_pool * (*)(size_t)) dlsym(library, "tk_pool_create"))(threads);
  }
  weight_bytes = (size_t)1 << 30;
  // Pages of 4 KB, as those of a mapped file are.
  weights = mmap(NULL, weight_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (getenv("HUGE")) madvise(weights, weight_bytes, MADV_HUGEPAGE);
  for (size_t i = 0; i < weight_bytes / 2; i++)
    ((uint16_t *)weights)[i] = (uint16_t)(0x3c00 + (i * 40503u) % 255 + ((i & 1) << 15));
  double peak = 0;
  for (int i = 0; i < 5; i++) {
    size_t count = 500000;
    double t = now();
    builds[0].run(builds[0].pool, threads, peak_chunk, &count);
    peak = fmax(peak, (double)(count * threads) * 24 * 16 / (now() - t));
  }
  printf("peak %.0f GFLOP/s in float32\n", peak * 1e-9);
  static size_t shapes[][2] = {{1536, 1536}, {8960, 1536}, {1536, 8960}};
  const char *hot = getenv("HOT");  // so many KB of weights again and again, in the second-level cache
  if (hot) {
    weight_bytes = (size_t)atoi(hot) * 1024;
    for (size_t s = 0; s < 3; s++) shapes[s][0] = (weight_bytes - 4096) / 4 / shapes[s][1] / 8 * 8;
  }
  char *items = strchr(argv[3], ',');
  for (const char *c = argv[3]; *c && *c != ','; c++) {
    const tk_type type = *c == 'f' ? TK_F32 : *c == 'h' ? TK_F16 : TK_BF16;
    const bool rounded = *c == 'r';
    for (const char *p = items; p; p = strchr(p + 1, ',')) {
      const size_t n = (size_t)atoi(p + 1);
      const char *plus = strchr(p + 1, '+'), *comma = strchr(p + 1, ',');
      const size_t rank = plus && (!comma || plus < comma) ? (size_t)atoi(plus + 1) : 0;
      for (size_t s = 0; s < 3; s++)
        measure(shapes[s][0], shapes[s][1], n, type, rank, rounded ? TK_ACTIVATIONS_BF16 : TK_ACTIVATIONS_F32,
                n > 64 ? rounds / 8 + 1 : n > 8 ? rounds / 2 + 1 : rounds, rounded ? 2 * peak : peak);
    }
  }
}
