// Compares a path of instructions with the portable one on this very processor: only equal bits let it be used.
#include "dispatch/kernel.h"

#include <stdatomic.h>

#include "dispatch/paths.h"

enum { PAIR_ROWS = 13, PAIR_COLUMNS = 840 };
enum { BLOCK_ROWS = 35, BLOCK_COLUMNS = 512, BLOCK_TYPES = 8, BLOCK_INPUTS = 8 };
enum { ROWS = 11, COLUMNS = 43, INPUTS = 7, RANK = 9, HEADS = 4, KV_HEADS = 2, HEAD_DIM = 36, KEYS = 21, PAGE = 16 };

// Everything that the kernels give for one set of inputs.
struct results {
  float linear[3][INPUTS][INPUTS * ROWS];
  float attention[3][2 * HEADS * HEAD_DIM];
  float rows[3][COLUMNS];
  uint16_t halves[2][COLUMNS];
  float exponentials[64];
  float products[3][INPUTS * COLUMNS];
  float gradients[4][COLUMNS];
  double expectation, change, squares;
  float x[BLOCK_INPUTS * BLOCK_COLUMNS];
  uint8_t blocks[BLOCK_ROWS * BLOCK_COLUMNS / 32 * 34];
  tk_q8 rounded[BLOCK_INPUTS * BLOCK_COLUMNS / 32];
  float quantised[BLOCK_TYPES][6][BLOCK_INPUTS * BLOCK_ROWS];
  uint16_t pairs[PAIR_ROWS * PAIR_COLUMNS], halved[INPUTS * (PAIR_COLUMNS + TK_BF16_GROUP)];
  float halves_products[INPUTS][INPUTS * PAIR_ROWS];
};

// Odd multiples of an odd fraction: short binary fractions would hide differences of rounding.
static void fill(float *x, size_t count, uint32_t seed) {
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (float)((int32_t)(seed >> 8) - (1 << 23)) / 5033161.0f;
  }
}

// Blocks of any bytes, with scales of about a thousandth.
static void fill_blocks(uint8_t *p, tk_type type, size_t bytes) {
  const size_t block = tk_block_bytes(type), scale = type == TK_Q6_K ? 208 : 0;
  uint32_t seed = 9;
  for (size_t i = 0; i < bytes; i++) {
    seed = seed * 1664525u + 1013904223u;
    const bool minima = type == TK_Q4_1 || type == TK_Q5_1 || type == TK_Q4_K || type == TK_Q5_K;
    p[i] = i % block == scale + 1 || (minima && i % block == 3) ? 0x14 : seed >> 24;
  }
}

static void run_blocks(const tk_path *path, struct results *r) {
  static const tk_type types[] = {TK_Q8_0, TK_Q4_0, TK_Q4_1, TK_Q5_0, TK_Q5_1, TK_Q4_K, TK_Q5_K, TK_Q6_K};
  // Panels, and what a path takes for so many inputs: each has kernels of its own up to its `few`.
  static const size_t inputs[6] = {1, BLOCK_INPUTS, 1, 2, 4, BLOCK_INPUTS};
  fill(r->x, BLOCK_INPUTS * BLOCK_COLUMNS, 7);
  path->int8->quantise(r->x, BLOCK_INPUTS * BLOCK_COLUMNS, r->rounded);
  for (size_t t = 0; t < BLOCK_TYPES; t++) {
    fill_blocks(r->blocks, types[t], BLOCK_ROWS * tk_row_bytes(types[t], BLOCK_COLUMNS));
    for (size_t i = 0; i < 6; i++) {
      const tk_linear_args map = {.weights = r->blocks, .type = types[t], .rows = BLOCK_ROWS,
                                  .columns = BLOCK_COLUMNS, .n = inputs[i], .y = r->quantised[t][i],
                                  .y_stride = BLOCK_ROWS};
      if (i < 2) path->int8->panels(&map, r->rounded, 0, BLOCK_ROWS, 0, map.n, NULL);
      else tk_int8_linear(path->int8, &map, r->rounded, 0, BLOCK_ROWS, 0, map.n, NULL);
    }
  }
}

// bf16 of any finite bits, whose products are ordinary, tiny and huge.
static void run_pairs(const tk_path *path, struct results *r) {
  const size_t apart = tk_bf16_padded(PAIR_COLUMNS);
  uint32_t seed = 11;
  for (size_t i = 0; i < PAIR_ROWS * PAIR_COLUMNS + INPUTS * apart; i++) {
    seed = seed * 1664525u + 1013904223u;
    const bool is_weight = i < PAIR_ROWS * PAIR_COLUMNS;
    // Every third row has exponents of 0 ..< 64: its products and sums lie about the smallest number.
    const size_t row = is_weight ? i / PAIR_COLUMNS : (i - PAIR_ROWS * PAIR_COLUMNS) / apart;
    const uint16_t bits = (uint16_t)(seed >> 16 & (row % 3 == 1 ? 0x9fff : 0xbfff));
    if (is_weight) r->pairs[i] = bits;
    else r->halved[i - PAIR_ROWS * PAIR_COLUMNS] = (i - PAIR_ROWS * PAIR_COLUMNS) % apart < PAIR_COLUMNS ? bits : 0;
  }
  for (size_t n = 1; n <= INPUTS; n++) {
    const tk_linear_args map = {.weights = r->pairs, .type = TK_BF16, .rows = PAIR_ROWS, .columns = PAIR_COLUMNS,
                                .n = n, .y = r->halves_products[n - 1], .y_stride = PAIR_ROWS};
    path->bf16->linear(&map, r->halved, 0, PAIR_ROWS, 0, n, NULL);
  }
}

static void run(const tk_path *path, struct results *r) {
  static const tk_type types[] = {TK_F32, TK_F16, TK_BF16};
  const tk_row_kernels *oracle = tk_path_portable.rows;  // rounds the weights, so that both paths see the same ones
  float x[INPUTS * COLUMNS], source[2 * PAGE * KV_HEADS * HEAD_DIM], u[INPUTS * RANK];
  uint32_t weights[ROWS * COLUMNS], b[ROWS * RANK], pages[2][2 * PAGE * KV_HEADS * HEAD_DIM];
  float query[2 * HEADS * HEAD_DIM], scratch[4096] __attribute__((aligned(64)));
  fill(x, INPUTS * COLUMNS, 1);
  fill(u, INPUTS * RANK, 2);
  fill(query, 2 * HEADS * HEAD_DIM, 3);
  for (size_t t = 0; t < 3; t++) {
    fill(source, ROWS * COLUMNS, 4);
    oracle->from_f32(source, weights, types[t], ROWS * COLUMNS);
    fill(source, ROWS * RANK, 5);
    oracle->from_f32(source, b, types[t], ROWS * RANK);
    for (size_t n = 1; n <= INPUTS; n++) {
      const tk_low_rank term = {.b = b, .b_type = types[t], .rank = RANK, .scale = 1, .first = n / 3,
                                .count = n - n / 3, .u = u};
      const tk_linear_args map = {.weights = weights, .type = types[t], .rows = ROWS, .columns = COLUMNS, .x = x,
                                  .x_stride = COLUMNS, .n = n, .y = r->linear[t][n - 1], .y_stride = ROWS,
                                  .terms = &term, .term_count = 1};
      tk_gate gate = {0, 0};
      path->linear->linear(&map, 1, 0, ROWS, 0, n, 0, &gate);
    }
    const uint8_t *table[2];
    for (size_t p = 0; p < 2; p++) {
      fill(source, 2 * PAGE * KV_HEADS * HEAD_DIM, 6 + (uint32_t)p);
      oracle->from_f32(source, pages[p], types[t], 2 * PAGE * KV_HEADS * HEAD_DIM);
      table[p] = (const uint8_t *)pages[p];
    }
    const size_t size = types[t] == TK_F32 ? 4 : 2;
    const tk_attention_shape shape = {HEADS, KV_HEADS, HEAD_DIM, PAGE, 0, PAGE * KV_HEADS * HEAD_DIM * size,
                                      types[t], 0.17f};
    float *out = r->attention[t];
    const tk_attention_row rows[2] = {{query, out, table, KEYS - 1, 2},
                                      {query + HEADS * HEAD_DIM, out + HEADS * HEAD_DIM, table, KEYS, 3}};
    for (size_t kv = 0; kv < KV_HEADS; kv++) path->attention->attention(&shape, rows, 2, kv, 2 * kv, 2, scratch, 48);
  }
  path->rows->rmsnorm(x, COLUMNS, u, 1e-6f, r->rows[0]);
  memcpy(r->rows[1], x, sizeof r->rows[1]);
  path->rows->swiglu(r->rows[1], u, COLUMNS);
  path->rows->geglu(r->rows[1], u, COLUMNS);
  memcpy(r->rows[2], x, sizeof r->rows[2]);
  path->rows->rope(r->rows[2], 1, COLUMNS - 1, u, u + (COLUMNS - 1) / 2);
  path->rows->from_f32(x, r->halves[0], TK_F16, COLUMNS);
  path->rows->from_f32(x, r->halves[1], TK_BF16, COLUMNS);
  for (int i = 0; i < 64; i++) r->exponentials[i] = path->rows->exp((float)(i - 40) * 2.37f);
  float *packed = malloc(TK_PRODUCT_FLOATS * sizeof *packed);
  if (!packed) abort();  // out of memory
  for (size_t t = 0; t < 3; t++) {
    fill(source, ROWS * COLUMNS, 4);
    oracle->from_f32(source, weights, types[t], ROWS * COLUMNS);
    // [INPUTS, ROWS] · [ROWS, COLUMNS]
    const tk_product_args p = {.m = INPUTS, .n = COLUMNS, .k = ROWS, .scale = 0.3f, .a = x, .a_row = ROWS,
                               .a_column = 1, .b = weights, .type = types[t], .b_row = COLUMNS, .b_column = 1,
                               .c = r->products[t], .c_row = COLUMNS};
    path->training->product(&p, packed);
  }
  free(packed);
  for (size_t i = 0; i < 4; i++) memcpy(r->gradients[i], x + i * COLUMNS, sizeof r->gradients[i]);
  path->training->softmax_backward(r->gradients[0], r->gradients[1], COLUMNS, 0.1f, 0.2f);
  path->training->swiglu_backward(r->gradients[0], x, r->gradients[2], r->gradients[3], COLUMNS);
  path->training->geglu_backward(r->gradients[0], x, r->gradients[2], r->gradients[3], COLUMNS);
  r->expectation = path->training->head_backward(r->gradients[3], COLUMNS, 0.7f, 3.1f, true);
  const tk_adamw adamw = {0.9f, 0.9f, 0.1f, 0.99f, 0.01f, 0.999f, 0.003f, 0.7f, 1e-8f};
  r->squares = path->training->square_sum(r->gradients[2], COLUMNS);
  for (int i = 0; i < COLUMNS; i++) r->gradients[1][i] = x[i] * x[i];  // mean squares are not below 0
  r->change = path->training->adamw_step(&adamw, x, r->gradients[2], r->gradients[0], r->gradients[1], COLUMNS);
  run_blocks(path, r);
  run_pairs(path, r);
}

bool tk_path_agrees(const tk_path *path) {
  // Portable kernels are the slow ones: they run once for all paths, and their results stay.
  static _Atomic(struct results *) oracle;
  struct results *mine = calloc(1, sizeof *mine), *expected = atomic_load(&oracle);
  if (mine && !expected && (expected = calloc(1, sizeof *expected))) {
    run(&tk_path_portable, expected);
    struct results *other = NULL;
    if (!atomic_compare_exchange_strong(&oracle, &other, expected)) {
      free(expected);
      expected = other;
    }
  }
  if (mine && expected) run(path, mine);
  const bool same = mine && expected && memcmp(mine, expected, sizeof *mine) == 0;
  free(mine);
  return same;
}
