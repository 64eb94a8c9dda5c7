// One linear map of block-quantised weights, beside the speed at which the same threads read memory.
//
//   Benchmarks/kernels/run.sh int8 [isa] [threads] [largest number of inputs] [type]
//
// Weights are read from memory that is larger than the caches, matrix after matrix, as a model's layers are. The limit
// of reads is measured in turns with the kernels, because a shared host's memory is not always as fast. "rows" reads
// rows as they lie, "panels" turns them; both are measured where both can do it. The share is the median of turns.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ckernels.h"
#include "dispatch/paths.h"

enum { TURNS = 9 };

static size_t threads = 1;

// One thread counts its own time, several that of the wall.
static double now(void) {
  struct timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}
static double median(double *x) {
  qsort(x, TURNS, sizeof *x, compare);
  return x[TURNS / 2];
}

static tk_pool *pool;
static uint8_t *weights;
static size_t weight_bytes;

struct work {
  tk_linear_args map;
  const tk_q8 *x;
  void (*kernel)(const tk_linear_args *, const tk_q8 *, size_t, size_t, size_t, size_t, const void *);
  size_t chunk, count, matrices, row_bytes;
};

static void run_chunk(void *context, size_t chunk) {
  const struct work *w = context;
  tk_linear_args m = w->map;
  m.weights = weights + chunk / w->count * m.rows * w->row_bytes;
  const size_t first = chunk % w->count * w->chunk, last = first + w->chunk < m.rows ? first + w->chunk : m.rows;
  const uint8_t *then = (const uint8_t *)m.weights + last * w->row_bytes;
  w->kernel(&m, w->x, first, last, 0, m.n, then);
}

// Chunks as tk_linear cuts them: about 96 KB. Returns the seconds of one pass over all matrices.
static double pass(struct work *w) {
  const double start = now();
  tk_pool_run(pool, w->count * w->matrices, run_chunk, w);
  return now() - start;
}

static void measure(tk_type type, const char *name, size_t rows, size_t columns, size_t n, bool cached) {
  const tk_int8 *kernels = tk_current()->int8;
  float *x = malloc(n * columns * sizeof *x), *y = malloc(n * rows * sizeof *y);
  tk_q8 *rounded = malloc(n * columns / 32 * sizeof *rounded);
  for (size_t i = 0; i < n * columns; i++) x[i] = (float)((i * 2654435761u) % 2001) / 1000.0f - 1.0f;
  kernels->quantise(x, n * columns, rounded);
  struct work w = {.map = {.type = type, .rows = rows, .columns = columns, .n = n, .y = y, .y_stride = rows},
                   .x = rounded, .row_bytes = tk_row_bytes(type, columns)};
  w.chunk = (98304 / w.row_bytes + 31) / 32 * 32;
  w.count = (rows + w.chunk - 1) / w.chunk;
  const size_t bytes = rows * w.row_bytes;
  w.matrices = cached ? 1 : weight_bytes / bytes;
  double times[2][TURNS], shares[2][TURNS], reads[TURNS];
  for (int turn = 0; turn < TURNS; turn++) {
    double start = now();
    tk_limits_read(pool, weights, weight_bytes);
    reads[turn] = (double)weight_bytes / (now() - start);
    for (int way = 0; way < 2; way++) {
      if (way == 0 && n > kernels->few) continue;
      w.kernel = way ? kernels->panels : kernels->rows;
      double t = 0;
      const int repeats = cached ? 200 : 1;
      for (int i = 0; i < repeats; i++) t += pass(&w);
      times[way][turn] = t / (double)(w.matrices * rows) / repeats;
      shares[way][turn] = (double)w.row_bytes / times[way][turn] / reads[turn];
    }
  }
  for (int way = 0; way < 2; way++) {
    if (way == 0 && n > kernels->few) continue;
    const double t = median(times[way]);
    printf("%s%s, %zu of %zu, %zu inputs, %s: %.0f ns a row, %.1f GB/s, %.0f %% of reads\n", name,
           cached ? " in cache" : "", rows, columns, n, way ? "panels" : "rows", t * 1e9,
           (double)w.row_bytes / t / 1e9, 100 * median(shares[way]));
  }
  free(x), free(y), free(rounded);
}

int main(int argc, char **argv) {
  static const struct { const char *name; tk_type type; } types[] = {
      {"Q8_0", TK_Q8_0}, {"Q4_0", TK_Q4_0}, {"Q4_1", TK_Q4_1}, {"Q5_0", TK_Q5_0}, {"Q5_1", TK_Q5_1},
      {"Q4_K", TK_Q4_K}, {"Q5_K", TK_Q5_K}, {"Q6_K", TK_Q6_K}};
  if (argc > 1 && strcmp(argv[1], "best") != 0 && !tk_isa_select(argv[1])) return printf("no path %s\n", argv[1]), 1;
  if (argc > 2) threads = (size_t)atoi(argv[2]);
  const size_t most = argc > 3 ? (size_t)atoi(argv[3]) : 4;
  const char *only = argc > 4 ? argv[4] : "";
  pool = tk_pool_create(threads);
  weight_bytes = (size_t)256 << 20;
  weights = aligned_alloc(64, weight_bytes);
  uint32_t seed = 1;
  for (size_t i = 0; i < weight_bytes; i += 4) {
    seed = seed * 1664525u + 1013904223u;
    memcpy(weights + i, &seed, 4);
  }
  printf("%s, %zu threads\n", tk_isa(), threads);
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    if (*only && strcmp(only, types[t].name) != 0) continue;
    for (size_t n = 1; n <= most; n++) {
      measure(types[t].type, types[t].name, 64, 1536, n, true);
      measure(types[t].type, types[t].name, 32, 8960, n, true);
      measure(types[t].type, types[t].name, 1536, 1536, n, false);
      measure(types[t].type, types[t].name, 1536, 8960, n, false);
    }
  }
}
