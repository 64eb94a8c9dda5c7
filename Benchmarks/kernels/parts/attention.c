// Attention of one layer of the 1.5B shape: 12 query heads over 2 key heads of 128, float16.
#include "parts.h"

// `streams` sequences with `queries` new tokens each, the last of `keys`.
static void measure(size_t streams, size_t queries, size_t keys) {
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
         streams, queries, keys, best * 1e6, work / best * 1e-9, 100 * work / best / limits.f32, bytes / best * 1e-9,
         100 * bytes / best / limits.reads);
  free(q), free(out), free(pages), free(rows);
}

void measure_attention(void) {
  measure_limits(true);
  measure(1, 1, 512);
  measure(1, 1, 8192);
  measure(16, 1, 512);
  measure(1, 512, 512);
  measure(1, 512, 8192);
}
