// Measures which path of instructions is fastest for a kind of kernel and a number of inputs.
#include "dispatch/kernel.h"

#include <stdatomic.h>
#include <time.h>

#include "dispatch/paths.h"

// By kind and size; null means the usual path.
static _Atomic(const tk_path *) choices[TK_KINDS][TK_SIZES];

static size_t size_of(size_t inputs) { return inputs <= 1 ? 0 : inputs <= 4 ? 1 : 2; }

const tk_path *tk_path_for(size_t kind, size_t inputs) {
  const tk_path *path = atomic_load_explicit(&choices[kind][size_of(inputs)], memory_order_acquire);
  return path ? path : tk_current();
}

void tk_paths_forget(void) {
  for (size_t kind = 0; kind < TK_KINDS; kind++)
    for (size_t size = 0; size < TK_SIZES; size++) atomic_store(&choices[kind][size], NULL);
}

const char *tk_paths_name(size_t kind, size_t size) {
  static const size_t inputs[TK_SIZES] = {1, 2, 5};
  return kind < TK_KINDS && size < TK_SIZES ? tk_path_for(kind, inputs[size])->name : tk_isa();
}

bool tk_paths_is_chosen(size_t kind, size_t size) {
  return kind < TK_KINDS && size < TK_SIZES && atomic_load(&choices[kind][size]) != NULL;
}

bool tk_paths_choose(size_t kind, size_t size, const char *name) {
  if (kind >= TK_KINDS || size >= TK_SIZES || tk_paths_forced()) return false;
  const tk_path *path = tk_path_named(name);
  if (path) atomic_store_explicit(&choices[kind][size], path, memory_order_release);
  return path != NULL;
}

// ---- What is measured --------------------------------------------------------------------------

// A model's weights come from memory, so what is measured is flushed from the caches before.
enum { COLUMNS = 2048, CHUNK = 32, KEYS = 384, PAGE = 32, GROUP = 6, HEAD_DIM = 128, LINES = 8 };
static const size_t inputs_of[TK_SIZES] = {1, 3, 16}, bytes_of[TK_SIZES] = {1 << 20, 3 << 18, 1 << 18};

struct bench {
  char *weights;  // also the pages of keys and values
  float *x, *y, *scratch;
  tk_q8 *codes;
  uint16_t *halves;
};

static void free_bench(struct bench *b) {
  free(b->weights), free(b->x), free(b->y), free(b->scratch), free(b->codes), free(b->halves);
}

static tk_attention_shape attention_shape(tk_type type) {
  const size_t bytes = PAGE * HEAD_DIM * (type == TK_F32 ? 4 : 2);
  return (tk_attention_shape){GROUP, 1, HEAD_DIM, PAGE, 0, bytes, type, 0.09f};
}

static bool make_bench(struct bench *b) {
  const tk_attention_shape shape = attention_shape(TK_F32);
  const size_t inputs = inputs_of[TK_SIZES - 1], floats = tk_attention_floats(&shape, LINES * GROUP, KEYS + 64);
  *b = (struct bench){.weights = aligned_alloc(64, bytes_of[0]), .x = malloc(inputs * COLUMNS * sizeof(float)),
                      .y = malloc(inputs * bytes_of[0] / COLUMNS * 2 * sizeof(float)),
                      .scratch = aligned_alloc(64, (floats * sizeof(float) + 63) & ~(size_t)63),
                      .codes = malloc(inputs * COLUMNS / 32 * sizeof(tk_q8)),
                      .halves = malloc(inputs * COLUMNS * sizeof(uint16_t))};
  if (!b->weights || !b->x || !b->y || !b->scratch || !b->codes || !b->halves) return false;
  // Ordinary numbers in every type; time does not depend on which.
  memset(b->weights, 0x3c, bytes_of[0]);
  memset(b->halves, 0x3c, inputs * COLUMNS * sizeof(uint16_t));
  for (size_t i = 0; i < inputs * COLUMNS; i++) b->x[i] = (float)(i % 61) - 30;
  tk_current()->int8->quantise(b->x, inputs * COLUMNS, b->codes);
  return true;
}

static void run_attention(const struct bench *b, const tk_path *path, tk_type type, size_t size) {
  const tk_attention_shape shape = attention_shape(type);
  const size_t count = inputs_of[size] < LINES ? inputs_of[size] : LINES;
  const uint8_t *pages[KEYS / PAGE];
  for (size_t i = 0; i < KEYS / PAGE; i++) pages[i] = (const uint8_t *)b->weights + i * 2 * shape.value_offset;
  tk_attention_row rows[LINES];
  for (size_t i = 0; i < count; i++)
    rows[i] = (tk_attention_row){b->x + i * GROUP * HEAD_DIM, b->y + i * GROUP * HEAD_DIM, pages, KEYS, 0};
  path->attention->attention(&shape, rows, count, 0, 0, GROUP, b->scratch, (KEYS + 23) & ~(size_t)15);
}

static void run_once(const struct bench *b, const tk_path *path, size_t kind, size_t size) {
  if (kind >= TK_KIND_ATTENTION) return run_attention(b, path, (tk_type)(kind - TK_KIND_ATTENTION), size);
  const tk_type type = kind == TK_KIND_BF16 ? TK_BF16 : (tk_type)(kind - TK_KIND_LINEAR);
  const size_t row_bytes = tk_row_bytes(type, COLUMNS), rows = bytes_of[size] / row_bytes / CHUNK * CHUNK;
  const tk_linear_args map = {.weights = b->weights, .type = type, .rows = rows, .columns = COLUMNS, .x = b->x,
                              .x_stride = COLUMNS, .n = inputs_of[size], .y = b->y, .y_stride = rows};
  tk_gate gate = {0, 0};
  for (size_t first = 0; first < rows; first += CHUNK) {
    const size_t last = first + CHUNK;
    const void *then = b->weights + (last < rows ? last : 0) * row_bytes;
    if (kind == TK_KIND_BF16) path->bf16->linear(&map, b->halves, first, last, 0, map.n, then);
    else if (tk_block_elements(type) > 1) tk_int8_linear(path->int8, &map, b->codes, first, last, 0, map.n, then);
    else path->linear->linear(&map, 1, first, last, 0, map.n, then, &gate);
  }
}

// ---- Measurement -------------------------------------------------------------------------------

static void flush(const char *data, size_t bytes) {
#if defined(__x86_64__)
  for (size_t i = 0; i < bytes; i += 64) __builtin_ia32_clflush(data + i);
  __builtin_ia32_mfence();
#else
  (void)data, (void)bytes;
#endif
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// What a path computes a kind with: paths that share it need no comparison.
static const void *kernels_of(const tk_path *path, size_t kind) {
  if (kind >= TK_KIND_ATTENTION) return path->attention;
  if (kind == TK_KIND_BF16) return path->bf16;
  return tk_block_elements((tk_type)(kind - TK_KIND_LINEAR)) > 1 ? (const void *)path->int8 : path->linear;
}

enum { MOST = 4, ROUNDS = 5 };

// The paths that are worth a comparison for a kind, the usual one first. Portable kernels are nowhere the fastest.
static size_t paths_of(size_t kind, const tk_path *paths[MOST]) {
  static const char *const names[MOST] = {"avx512", "avxvnni", "avx2", "neon"};
  size_t count = 0;
  paths[count++] = tk_current();
  for (size_t i = 0; i < MOST && count < MOST; i++) {
    const tk_path *path = tk_path_named(names[i]);
    bool is_new = path != NULL;
    for (size_t j = 0; j < count && is_new; j++) is_new = kernels_of(path, kind) != kernels_of(paths[j], kind);
    if (is_new) paths[count++] = path;
  }
  return count;
}

// The fastest of some paths, which are run in turns; the first where no other is 10 % faster than it.
static size_t fastest(const struct bench *b, const tk_path *const paths[], size_t count, size_t kind, size_t size) {
  double best[MOST];
  for (size_t round = 0; round <= ROUNDS; round++)
    for (size_t i = 0; i < count; i++) {
      flush(b->weights, bytes_of[size]);
      const double began = now();
      run_once(b, paths[i], kind, size);
      const double time = now() - began;
      if (round <= 1 || time < best[i]) best[i] = time;  // the first round warms up
    }
  size_t winner = 0;
  for (size_t i = 1; i < count; i++)
    if (best[i] < 0.9 * best[0] && best[i] < best[winner]) winner = i;
  return winner;
}

double tk_paths_measure(const uint8_t *kinds, size_t count, double seconds) {
  if (tk_paths_forced() || tk_current() == &tk_path_portable) return 0;
  double spent = 0;
  struct bench bench = {0};
  bool is_made = false;
  for (size_t i = 0; i < count; i++) {
    const size_t kind = kinds[i];
    const tk_path *paths[MOST];
    const size_t paths_count = kind < TK_KINDS ? paths_of(kind, paths) : 0;
    for (size_t size = 0; size < TK_SIZES && paths_count > 0; size++) {
      if (tk_paths_is_chosen(kind, size)) continue;
      size_t winner = 0;
      if (paths_count > 1) {
        if (spent >= seconds) continue;
        const double began = now();
        if (!is_made && !(is_made = make_bench(&bench))) break;
        winner = fastest(&bench, paths, paths_count, kind, size);
        // A disturbance does not strike the usual path alone twice.
        if (winner > 0 && fastest(&bench, paths, paths_count, kind, size) != winner) winner = 0;
        spent += now() - began;
      }
      atomic_store_explicit(&choices[kind][size], paths[winner], memory_order_release);
    }
  }
  free_bench(&bench);
  return spent;
}
