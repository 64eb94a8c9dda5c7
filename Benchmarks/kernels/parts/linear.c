// Products of the 1.5B shape's matrices, as shares of the larger of two limits: reading the weights once, and the
// multiply-adds in the arithmetic that the weights and inputs meet in.
#include "parts.h"

static const struct { size_t rows, columns, in_layer; } shapes[] = {{1536, 1536, 2}, {8960, 1536, 2}, {1536, 8960, 1}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct least least_of_linear(weights w, size_t rows, size_t columns, size_t n) {
  const double peak = tk_block_elements(w.type) > 1 && w.activations != TK_ACTIVATIONS_F32 ? limits.bytes
                      : w.type == TK_BF16 && w.activations == TK_ACTIVATIONS_BF16        ? limits.bf16
                                                                                          : limits.f32;
  return (struct least){(double)rows * (double)tk_row_bytes(w.type, columns) / limits.reads,
                        2.0 * (double)(rows * columns * n) / peak};
}

double seconds_of_linear(weights w, size_t rows, size_t columns, size_t n, size_t rank, size_t adapters) {
  const size_t row_bytes = tk_row_bytes(w.type, columns);
  float *x = floats(n * columns), *y = floats(n * rows), *u = floats(n * (rank + 1));
  double best = 1e9;
  const int repeats = (int)fmin(40, fmax(4, 2e10 / (2.0 * (double)(rows * columns) * (double)n)));
  tk_low_rank terms[64];
  for (int i = 0; i < repeats; i++) {
    tk_linear_args m = {.weights = cold(rows * row_bytes), .type = w.type, .rows = rows, .columns = columns, .x = x,
                        .x_stride = columns, .n = n, .y = y, .y_stride = rows, .activations = w.activations};
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
  free(x), free(y), free(u);
  return best;
}

// One line for a number of inputs: each shape, then the five large maps of a layer together.
static void measure_count(weights w, size_t n) {
  double taken = 0;
  struct least whole = {0, 0};
  measure_limits(true);
  printf("| %s | %zu |", w.name, n);
  double times[SHAPES];
  for (size_t i = 0; i < SHAPES; i++) {
    times[i] = seconds_of_linear(w, shapes[i].rows, shapes[i].columns, n, 0, 0);
    measure_limits(false);
  }
  for (size_t i = 0; i < SHAPES; i++) {
    const struct least least = least_of_linear(w, shapes[i].rows, shapes[i].columns, n);
    printf(" %.0f µs %.0f %% |", times[i] * 1e6, 100 * fmax(least.reading, least.computing) / times[i]);
    taken += times[i] * (double)shapes[i].in_layer;
    whole.reading += least.reading * (double)shapes[i].in_layer;
    whole.computing += least.computing * (double)shapes[i].in_layer;
  }
  printf(" %.0f %% | %.0f %% | **%.0f %%** |\n", 100 * whole.reading / taken, 100 * whole.computing / taken,
         100 * fmax(whole.reading, whole.computing) / taken);
  fflush(stdout);
}

void measure_linear(weights w, const size_t *counts, size_t count) {
  for (size_t i = 0; i < count; i++) measure_count(w, counts[i]);
}

void measure_adapters(weights w) {
  static const size_t adapters[] = {0, 1, 4, 16};
  for (size_t n = 1; n <= 16; n *= 16)
    for (size_t i = 0; i < 4 && adapters[i] <= n; i++)
      printf("%s, %zu inputs, %zu adapters of rank 32: 8960 x 1536 %.0f us, 1536 x 8960 %.0f us\n", w.name, n,
             adapters[i], 1e6 * seconds_of_linear(w, 8960, 1536, n, 32, adapters[i]),
             1e6 * seconds_of_linear(w, 1536, 8960, n, 32, adapters[i]));
}
