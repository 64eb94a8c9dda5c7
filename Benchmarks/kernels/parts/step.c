// A whole step of the 1.5B shape: 28 blocks and the vocabulary.
#include "parts.h"

// `streams` sequences of `queries` new tokens at `keys`, with `adapters` of rank 32 (bf16) on all seven maps. The
// limits count the base's products and weights; adapters and attention are on top.
static void measure(weights w, size_t streams, size_t queries, size_t keys, size_t adapters) {
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
  double best = 1e9;
  struct least least = {0, 0};
  measure_limits(true);
  for (int repeat = 0; repeat < (n > 64 ? 2 : n > 1 ? 4 : 12); repeat++) {
    measure_limits(false);
    double start = now();
    least = (struct least){0, 0};
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
          const size_t bytes = height * tk_row_bytes(w.type, columns);
          maps[count] = (tk_linear_args){.weights = cold(bytes), .type = w.type, .rows = height, .columns = columns,
                                         .x = input, .x_stride = columns, .n = inputs,
                                         .y = layer < LAYERS ? outputs[m] : logits, .y_stride = height,
                                         .add = layer < LAYERS && (m == 3 || m == 6), .terms = terms + used,
                                         .activations = w.activations};
          const struct least one = least_of_linear(w, height, columns, inputs);
          least.reading += one.reading, least.computing += one.computing;
          for (size_t j = 0; j < adapters && layer < LAYERS; j++, used++) {
            const size_t first = n * j / adapters;
            terms[used] = (tk_low_rank){.a = cold(2 * RANK * columns), .b = cold(2 * RANK * height), .a_type = TK_BF16,
                                        .b_type = TK_BF16, .rank = RANK, .scale = 1e-3f, .first = first,
                                        .count = n * (j + 1) / adapters - first, .u = u + (count * n + first) * RANK};
            maps[count].term_count++;
          }
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
  printf("%s step: %2zu streams x %3zu tokens at %4zu, %2zu adapters: "
         "%7.1f ms  %6.1f tok/s  reads %3.0f %%  arithmetic %3.0f %%\n",
         w.name, streams, queries, keys, adapters, best * 1e3, (double)n / best, 100 * least.reading / best,
         100 * least.computing / best);
  free(x), free(h), free(gate), free(up), free(q), free(k), free(v), free(out), free(logits), free(norm), free(u);
  free(pages), free(rows), free(positions), free(angles), free(terms);
}

void measure_steps(weights w) {
  if (w.type == TK_F32) return;  // a vocabulary beyond the cold memory
  measure(w, 1, 1, 512, 0);
  measure(w, 1, 1, 512, 1);
  measure(w, 1, 1, 8192, 1);
  measure(w, 16, 1, 80, 0);
  measure(w, 16, 1, 80, 1);
  measure(w, 16, 1, 80, 16);
  measure(w, 32, 1, 80, 1);
  measure(w, 1, 512, 512, 1);
}
