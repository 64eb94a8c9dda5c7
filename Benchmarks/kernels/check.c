// Every path that this processor has against the order of summation written plainly, bit for bit, over sizes
// around the blocking. For processors that the test suite does not run on: arm64 under an emulator.
//
//   Benchmarks/kernels/check.sh [aarch64]
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ckernels.h"
#include "dispatch/paths.h"

#pragma STDC FP_CONTRACT OFF

static uint64_t state = 1;
static float noise(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (float)((int64_t)state >> 40) / (float)(1 << 23);
}
static float *floats(size_t count) {
  float *p = malloc((count + 1) * sizeof(float));
  for (size_t i = 0; i < count; i++) p[i] = noise();
  return p;
}

// `count` weights of a type, exactly sized so that a tool for memory errors sees a read beyond them.
static void *store(const float *values, tk_type type, size_t count, float *rounded) {
  void *p = malloc(count * (type == TK_F32 ? 4 : 2));
  tk_from_f32(values, p, type, count);
  tk_to_f32(p, type, rounded, count);
  return p;
}

static void add_products(const float *a, const float *b, size_t count, float *lanes) {
  for (size_t g = 0; g < count; g += 8)
    for (size_t l = 0; l < 8; l++)
      lanes[l] = fmaf(g + l < count ? a[g + l] : 0, g + l < count ? b[g + l] : 0, lanes[l]);
}
static float sum(const float *a) {
  float s[4], t[2];
  for (int j = 0; j < 4; j++) s[j] = a[j] + a[j + 4];
  for (int j = 0; j < 2; j++) t[j] = s[j] + s[j + 2];
  return t[0] + t[1];
}

static size_t failures, checks;
static void same(const char *what, const float *a, const float *b, size_t count, size_t p, size_t q, size_t r) {
  checks++;
  for (size_t i = 0; i < count; i++)
    if (memcmp(a + i, b + i, 4) != 0) {
      if (failures++ < 20)
        printf("%s, %s, %zu %zu %zu: element %zu is %.9g, expected %.9g\n", tk_isa(), what, p, q, r, i, a[i], b[i]);
      return;
    }
}

static void check_linear(tk_pool *pool, size_t rows, size_t columns, size_t n, tk_type type, tk_type low_type,
                         size_t rank, size_t adapters, bool add, bool biased) {
  float *values = floats(rows * columns), *x = floats(n * columns), *y = floats(n * rows), *bias = floats(rows);
  float *expected = malloc(n * rows * sizeof(float));
  memcpy(expected, y, n * rows * sizeof(float));
  void *w = store(values, type, rows * columns, values);
  tk_low_rank terms[16];
  float *as[16], *bs[16];
  // Every third input stays without an adapter where there are several.
  size_t count = 0;
  for (size_t j = 0; j < adapters; j++) {
    const size_t first = n * j / adapters, last = n * (j + 1) / adapters - (j % 3 == 2 ? 1 : 0);
    if (last <= first) continue;
    as[count] = floats(rank * columns), bs[count] = floats(rank * rows);
    terms[count] = (tk_low_rank){.a = store(as[count], low_type, rank * columns, as[count]),
                                 .b = store(bs[count], low_type, rank * rows, bs[count]), .a_type = low_type,
                                 .b_type = low_type, .rank = rank, .scale = 0.7f, .first = first,
                                 .count = last - first, .u = malloc((last - first) * rank * sizeof(float))};
    count++;
  }
  float *u = malloc((rank + 1) * sizeof(float));
  for (size_t i = 0; i < n; i++) {
    const float *b = NULL;
    for (size_t j = 0; j < count; j++) {
      if (i < terms[j].first || i >= terms[j].first + terms[j].count) continue;
      b = bs[j];
      for (size_t r = 0; r < rank; r++) {
        float lanes[8] = {0};
        add_products(as[j] + r * columns, x + i * columns, columns, lanes);
        u[r] = sum(lanes) * terms[j].scale;
      }
    }
    for (size_t row = 0; row < rows; row++) {
      float lanes[8] = {0};
      add_products(values + row * columns, x + i * columns, columns, lanes);
      if (b) add_products(b + row * rank, u, rank, lanes);
      float dot = sum(lanes);
      if (biased) dot += bias[row];
      expected[i * rows + row] = add ? expected[i * rows + row] + dot : dot;
    }
  }
  tk_linear_args m = {.weights = w, .type = type, .rows = rows, .columns = columns, .x = x, .x_stride = columns, .n = n,
                      .y = y, .y_stride = rows, .add = add, .bias = biased ? bias : NULL, .terms = terms,
                      .term_count = count};
  tk_linear(pool, &m, 1);
  same("linear", y, expected, n * rows, rows, columns, n);
  for (size_t j = 0; j < count; j++)
    free((void *)terms[j].a), free((void *)terms[j].b), free(terms[j].u), free(as[j]), free(bs[j]);
  free(values), free(x), free(y), free(bias), free(expected), free(w), free(u);
}

static void check_attention(tk_pool *pool, size_t heads, size_t kv_heads, size_t d, size_t keys, size_t n,
                            size_t window, size_t page_tokens, tk_type type) {
  const size_t width = kv_heads * d, size = type == TK_F32 ? 4 : 2, plane = page_tokens * width;
  const size_t page_count = (keys + page_tokens - 1) / page_tokens, group = heads / kv_heads;
  float *stored = floats(2 * plane * page_count), *q = floats(n * heads * d);
  float *out = floats(n * heads * d), *expected = malloc(n * heads * d * sizeof(float));
  const uint8_t **pages = malloc(page_count * sizeof *pages);
  for (size_t p = 0; p < page_count; p++) {
    // What lies beyond the last key must not matter.
    for (size_t slot = 0; slot < page_tokens; slot++)
      if (p * page_tokens + slot >= keys)
        for (size_t i = 0; i < width; i++)
          stored[p * 2 * plane + slot * width + i] = stored[p * 2 * plane + plane + slot * width + i] = NAN;
    pages[p] = store(stored + p * 2 * plane, type, 2 * plane, stored + p * 2 * plane);
  }
  tk_attention_shape shape = {heads, kv_heads, d, page_tokens, 0, plane * size, type, 1 / sqrtf((float)d)};
  tk_attention_row *rows = malloc(n * sizeof *rows);
  float *p = malloc((keys + 8) * sizeof(float));
  for (size_t i = 0; i < n; i++) {
    const size_t visible = keys - n + 1 + i, first = window && visible > window ? visible - window : 0;
    rows[i] = (tk_attention_row){q + i * heads * d, out + i * heads * d, pages, visible, first};
    for (size_t h = 0; h < heads; h++) {
      const size_t kv = h / group;
      float peak = -INFINITY, lanes[8] = {0};
      for (size_t t = first; t < visible; t++) {
        float l[8] = {0};
        const float *k = stored + t / page_tokens * 2 * plane + t % page_tokens * width + kv * d;
        add_products(q + (i * heads + h) * d, k, d, l);
        p[t - first] = sum(l) * shape.scale;
        peak = p[t - first] > peak ? p[t - first] : peak;
      }
      for (size_t t = 0; t < ((visible - first + 7) & ~(size_t)7); t++) {
        p[t] = t < visible - first ? tk_exp(p[t] - peak) : 0;
        lanes[t % 8] += p[t];
      }
      const float inverse = 1 / sum(lanes);
      for (size_t j = 0; j < d; j++) {
        float a = 0;
        for (size_t t = first; t < visible; t++)
          a = fmaf(p[t - first], stored[t / page_tokens * 2 * plane + plane + t % page_tokens * width + kv * d + j], a);
        expected[(i * heads + h) * d + j] = a * inverse;
      }
    }
  }
  tk_attention(pool, &shape, rows, n, keys);
  same("attention", out, expected, n * heads * d, d, keys, n);
  for (size_t i = 0; i < page_count; i++) free((void *)pages[i]);
  free(stored), free(q), free(out), free(expected), free(pages), free(rows), free(p);
}

// Block-quantised weights, and BF16 ones with rounded inputs: the portable path, which comes first, against all others.
// (What it must give is stated and checked in Tests/CKernelsTests.)
static void check_blocks(tk_pool *pool, bool is_first) {
  static float *recorded[96];
  static const tk_type types[] = {TK_Q8_0, TK_Q4_0, TK_Q4_1, TK_Q5_0, TK_Q5_1, TK_Q4_K, TK_Q5_K, TK_Q6_K, TK_BF16};
  static const size_t shapes[][3] = {{35, 512, 1}, {7, 256, 3},  {64, 768, 7},   {97, 1536, 17}, {40, 256, 64},
                                     {1, 256, 1},  {33, 2816, 2}, {13, 4352, 4}, {9, 2304, 1}};
  for (size_t i = 0; i < 81; i++) {
    const tk_type type = types[i / 9];
    const size_t rows = shapes[i % 9][0], columns = shapes[i % 9][1], n = shapes[i % 9][2];
    const size_t bytes = rows * tk_row_bytes(type, columns), block = tk_block_bytes(type);
    uint8_t *w = malloc(bytes);
    for (size_t j = 0; j < bytes; j++) w[j] = (uint8_t)(noise() * 8388608.0f);
    if (type == TK_BF16)  // below 2, of which many are denormal or have denormal products
      for (size_t j = 1; j < bytes; j += 2) w[j] &= 0xbf;
    else for (size_t j = 0; j < bytes; j += block) {  // scales of an ordinary size
      w[j + (type == TK_Q6_K ? 209 : 1)] = 0x18;
      if (type == TK_Q4_K || type == TK_Q5_K || type == TK_Q4_1 || type == TK_Q5_1) w[j + 3] = 0x18;
    }
    float *x = floats(n * columns), *y = malloc(n * rows * sizeof(float));
    tk_linear(pool, &(tk_linear_args){.weights = w, .type = type, .rows = rows, .columns = columns, .x = x,
                                      .x_stride = columns, .n = n, .y = y, .y_stride = rows,
                                      .activations = type == TK_BF16 ? TK_ACTIVATIONS_BF16 : TK_ACTIVATIONS_INT8}, 1);
    if (is_first) recorded[i] = y;
    else same("blocks", y, recorded[i], n * rows, rows, columns, n), free(y);
    free(w), free(x);
  }
}

// Block-quantised weights against rounded inputs: each input alone and a few at a time give what all together do, and
// every path what the first one did. The formulas themselves are checked by Tests/CKernelsTests/Int8Tests.swift.
static void check_int8(tk_pool *pool, bool is_first) {
  enum { TYPES = 8, SIZES = 6, N = 37 };
  static const struct { tk_type type; bool minima; } types[TYPES] = {
      {TK_Q8_0, false}, {TK_Q4_0, false}, {TK_Q4_1, true}, {TK_Q5_0, false},
      {TK_Q5_1, true},  {TK_Q4_K, true},  {TK_Q5_K, true}, {TK_Q6_K, false}};
  static const size_t sizes[SIZES][2] = {{1, 256}, {7, 512}, {8, 1536}, {19, 768}, {33, 2304}, {70, 256}};
  static float *first[TYPES][SIZES];
  state = 3;
  for (size_t t = 0; t < TYPES; t++)
    for (size_t i = 0; i < SIZES; i++) {
      const tk_type type = types[t].type;
      const size_t rows = sizes[i][0], columns = sizes[i][1], bytes = rows * tk_row_bytes(type, columns);
      const size_t block = tk_row_bytes(type, tk_block_elements(type)), at = type == TK_Q6_K ? block - 2 : 0;
      uint8_t *w = malloc(bytes);
      for (size_t b = 0; b < bytes; b++) w[b] = (uint8_t)(int)(128 * noise() + 128);
      for (size_t b = 0; b < bytes; b += block) {
        const float scales[2] = {noise() / 64, noise() / 64};
        tk_from_f32(scales, w + b + at, TK_F16, types[t].minima ? 2 : 1);
      }
      float *x = floats(N * columns), *y = floats(N * rows), *some = floats(N * rows);
      tk_linear_args m = {.weights = w, .type = type, .rows = rows, .columns = columns, .x = x, .x_stride = columns,
                          .n = N, .y = y, .y_stride = rows, .activations = TK_ACTIVATIONS_INT8};
      tk_linear(pool, &m, 1);
      m.y = some;
      for (size_t from = 0, n = 1; from < N; from += n, n = n % 8 + 1) {
        m.n = n = n < N - from ? n : N - from;
        m.x = x + from * columns;
        tk_linear(pool, &m, 1);
        same("int8, a few", some, y + from * rows, n * rows, (size_t)type, n, columns);
      }
      if (is_first) first[t][i] = y;
      else same("int8, this path", y, first[t][i], N * rows, (size_t)type, rows, columns), free(y);
      free(w), free(x), free(some);
    }
}

static void check_rows(tk_pool *pool) {
  for (size_t dim = 1; dim < 70; dim += 3) {
    float *x = floats(3 * dim), *w = floats(dim), *y = malloc(3 * dim * sizeof(float));
    float *expected = malloc(3 * dim * sizeof(float));
    for (size_t i = 0; i < 3; i++) {
      float lanes[8] = {0};
      add_products(x + i * dim, x + i * dim, dim, lanes);
      const float inverse = 1 / sqrtf(sum(lanes) / (float)dim + 1e-6f);
      for (size_t j = 0; j < dim; j++) expected[i * dim + j] = x[i * dim + j] * inverse * w[j];
    }
    tk_rmsnorm(pool, x, 3, dim, w, 1e-6f, y);
    same("rmsnorm", y, expected, 3 * dim, dim, 0, 0);
    for (size_t j = 0; j < 3 * dim; j++) expected[j] = x[j] / (1 + tk_exp(-x[j])) * w[j % dim];
    float *up = malloc(3 * dim * sizeof(float));
    for (size_t j = 0; j < 3 * dim; j++) up[j] = w[j % dim];
    tk_swiglu(pool, x, up, 3, dim);
    same("swiglu", x, expected, 3 * dim, dim, 0, 0);
    free(x), free(w), free(y), free(expected), free(up);
  }
  uint16_t back[65536], all[65536];
  float *wide = malloc(65536 * sizeof(float));
  for (size_t type = TK_F16; type <= TK_BF16; type++) {
    for (size_t i = 0; i < 65536; i++) all[i] = (uint16_t)i;
    tk_to_f32(all, (tk_type)type, wide, 65536);
    tk_from_f32(wide, back, (tk_type)type, 65536);
    checks++;
    for (size_t i = 0; i < 65536; i++) if (back[i] != all[i] && wide[i] == wide[i]) failures++;
  }
  free(wide);
}

int main(void) {
  static const char *const paths[] = {"portable", "avx2", "avxvnni", "avx512", "neon"};
  tk_pool *pool = tk_pool_create(3);
  const tk_path *agrees[5];  // of a name, the first that passes its self-test; only that one is ever used
  for (size_t i = 0; i < 5; i++) agrees[i] = tk_path_named(paths[i]);
  for (size_t i = 0; i < 5; i++) {
    if (!tk_isa_select(paths[i])) continue;
    checks = 1, failures = agrees[i] != tk_current();
    if (failures) printf("%s fails its self-test\n", paths[i]);
    state = 1;
    const tk_type types[] = {TK_F32, TK_F16, TK_BF16};
    for (size_t t = 0; t < 3; t++) {
      for (size_t columns = 1; columns < 40; columns += 2)
        for (size_t n = 1; n < 9; n++)
          check_linear(pool, 1 + columns * 7 % 23, columns, n, types[t], TK_F32, 0, 0, n % 2, n % 3);
      static const size_t wide[] = {64, 512, 520, 1031, 1536};
      for (size_t c = 0; c < 5; c++)
        for (size_t n = 1; n < 140; n = n * 2 + 1)
          for (size_t rank = 1; rank < 40; rank = rank * 3 + 1) {
            const size_t terms = n < 4 ? n : 1 + rank % 5;
            check_linear(pool, 37 + rank, wide[c], n, types[t], types[(t + c) % 3], rank, terms, n % 2, true);
          }
      check_linear(pool, 19, 40, 9, types[t], types[t], 520, 3, true, true);
      check_linear(pool, 19, 40, 9, types[t], types[t], 515, 2, true, true);
      check_attention(pool, 4, 2, 16, 1, 1, 0, 8, types[t]);
      check_attention(pool, 12, 2, 128, 100, 1, 0, 32, types[t]);
      check_attention(pool, 12, 2, 128, 100, 33, 0, 32, types[t]);
      check_attention(pool, 14, 2, 64, 77, 20, 0, 32, types[t]);
      check_attention(pool, 6, 1, 12, 33, 7, 5, 8, types[t]);
      check_attention(pool, 2, 2, 6, 70, 70, 0, 10, types[t]);
      check_attention(pool, 3, 1, 40, 70, 50, 17, 32, types[t]);
      check_attention(pool, 2, 1, 600, 20, 5, 0, 16, types[t]);
    }
    check_rows(pool);
    state = 2;
    check_blocks(pool, i == 0);
    check_int8(pool, i == 0);
    printf("%s: %zu checks, %zu failed\n", tk_isa(), checks, failures);
    if (failures) return 1;
  }
  tk_pool_destroy(pool);
}
