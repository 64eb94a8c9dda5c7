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

enum { BUILDS_MAX = 8, ROUNDS_MAX = 400, SHAPES_MAX = 8 };
struct build {
  tk_pool *pool;
  void (*linear)(tk_pool *, const tk_linear_args *, size_t);
  void (*run)(tk_pool *, size_t, tk_body, void *);
  bool (*select)(const char *);
  double (*fused)(tk_pool *, size_t), (*bytes)(tk_pool *, size_t);
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
static void measure(size_t rows, size_t columns, size_t n, const char *name, tk_type type, size_t rank,
                    tk_activations activations, size_t rounds, double peak) {
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
  printf("%4s %6zu x %5zu n=%3zu r=%2zu  reads %5.1f GB/s ", name, rows, columns, n, rank,
         (double)bytes / read * 1e-9);
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

// turns THREADS ROUNDS WHAT BUILD...   WHAT: letters of types (below), then counts of inputs, with +RANK for an
// adapter: br,1,2,8,1+32. ISA=avx2 chooses a path, ISA=avx2,avx512 one for each build (the last for those that are
// left), SHAPES=256x1536,151936x1536 other shapes.
static const struct { char letter; const char *name; tk_type type; tk_activations activations; } types[] = {
    {'b', "bf16", TK_BF16, TK_ACTIVATIONS_F32},  {'h', "f16", TK_F16, TK_ACTIVATIONS_F32},
    {'f', "f32", TK_F32, TK_ACTIVATIONS_F32},    {'r', "b/b", TK_BF16, TK_ACTIVATIONS_BF16},
    {'8', "q8_0", TK_Q8_0, TK_ACTIVATIONS_INT8}, {'0', "q4_0", TK_Q4_0, TK_ACTIVATIONS_INT8},
    {'1', "q4_1", TK_Q4_1, TK_ACTIVATIONS_INT8}, {'2', "q5_0", TK_Q5_0, TK_ACTIVATIONS_INT8},
    {'3', "q5_1", TK_Q5_1, TK_ACTIVATIONS_INT8}, {'4', "q4_k", TK_Q4_K, TK_ACTIVATIONS_INT8},
    {'5', "q5_k", TK_Q5_K, TK_ACTIVATIONS_INT8}, {'6', "q6_k", TK_Q6_K, TK_ACTIVATIONS_INT8},
};
int main(int argc, char **argv) {
  if (argc < 5) return 64;
  threads = (size_t)atoi(argv[1]);
  const char *isa = getenv("ISA") ? getenv("ISA") : "";
  const size_t rounds = (size_t)atoi(argv[2]) < ROUNDS_MAX ? (size_t)atoi(argv[2]) : ROUNDS_MAX;
  for (int i = 4; i < argc && build_count < BUILDS_MAX; i++) {
    void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
    struct build *b = &builds[build_count++];
    b->linear = (void (*)(tk_pool *, const tk_linear_args *, size_t))dlsym(library, "tk_linear");
    b->run = (void (*)(tk_pool *, size_t, tk_body, void *))dlsym(library, "tk_pool_run");
    b->fused = (double (*)(tk_pool *, size_t))dlsym(library, "tk_limits_fma");
    b->bytes = (double (*)(tk_pool *, size_t))dlsym(library, "tk_limits_bytes");
    b->select = (bool (*)(const char *))dlsym(library, "tk_isa_select");
    if (*isa) {
      char name[16] = {0};
      const size_t length = strcspn(isa, ",");
      memcpy(name, isa, length < sizeof name ? length : sizeof name - 1);
      if (!b->select(name)) return fprintf(stderr, "no path %s\n", name), 1;
      if (isa[length]) isa += length + 1;
    }
    b->pool = ((tk_pool * (*)(size_t)) dlsym(library, "tk_pool_create"))(threads);
  }
  weight_bytes = (size_t)1 << 30;
  // Pages of 4 KB, as those of a mapped file are.
  weights = mmap(NULL, weight_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (getenv("HUGE")) madvise(weights, weight_bytes, MADV_HUGEPAGE);
  for (size_t i = 0; i < weight_bytes / 2; i++)
    ((uint16_t *)weights)[i] = (uint16_t)(0x3c00 + (i * 40503u) % 255 + ((i & 1) << 15));
  double peak = 0, bytes = 0;  // as the path in use may compute them
  for (int i = 0; i < 5; i++) {
    const double began = now(), fused = builds[0].fused(builds[0].pool, 100), between = now();
    const double products = builds[0].bytes(builds[0].pool, 500);
    peak = fmax(peak, fused / (between - began));
    bytes = fmax(bytes, products / (now() - between));
  }
  printf("peak %.0f GFLOP/s in float32, %.0f G operations/s in bytes\n", peak * 1e-9, bytes * 1e-9);
  static size_t shapes[SHAPES_MAX][2] = {{1536, 1536}, {8960, 1536}, {1536, 8960}};
  size_t shape_count = 3;
  for (char *at = getenv("SHAPES"), first = 1; at && *at; at += *at == ',', first = 0) {
    if (first) shape_count = 0;
    if (shape_count == SHAPES_MAX) break;
    shapes[shape_count][0] = strtoul(at, &at, 10);
    shapes[shape_count++][1] = strtoul(at + (*at == 'x'), &at, 10);
  }
  const char *hot = getenv("HOT");  // so many KB of weights again and again, which the second-level cache holds
  if (hot) weight_bytes = (size_t)atoi(hot) * 1024;
  char *items = strchr(argv[3], ',');
  for (const char *c = argv[3]; *c && *c != ','; c++) {
    size_t t = 0;
    while (t < sizeof types / sizeof *types && types[t].letter != *c) t++;
    if (t == sizeof types / sizeof *types) return fprintf(stderr, "no type %c\n", *c), 64;
    // Bytes have a peak of their own, which tk_limits_bytes measures.
    const double most = types[t].activations == TK_ACTIVATIONS_INT8 ? bytes
                        : types[t].activations == TK_ACTIVATIONS_BF16 ? 2 * peak : peak;
    for (const char *p = items; p; p = strchr(p + 1, ',')) {
      const size_t n = (size_t)atoi(p + 1);
      const char *plus = strchr(p + 1, '+'), *comma = strchr(p + 1, ',');
      const size_t rank = plus && (!comma || plus < comma) ? (size_t)atoi(plus + 1) : 0;
      for (size_t s = 0; s < shape_count; s++)
        measure(hot ? (weight_bytes - 4096) / tk_row_bytes(types[t].type, shapes[s][1]) / 32 * 32 : shapes[s][0],
                shapes[s][1], n, types[t].name, types[t].type, rank, types[t].activations,
                n > 64 ? rounds / 8 + 1 : n > 8 ? rounds / 2 + 1 : rounds, most);
    }
  }
}
