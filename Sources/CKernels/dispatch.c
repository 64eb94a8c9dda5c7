// Chooses a path of instructions once, and spreads the kernels over the pool.
#include "kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "table.h"

// ---- The path ------------------------------------------------------------------------------

static const tk_kernels *find(const char *name) {
  if (strcmp(name, "portable") == 0) return &tk_kernels_portable;
#if defined(__x86_64__)
  if (strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c"))
    return &tk_kernels_avx2;
  if (strcmp(name, "avxvnni") == 0 && find("avx2") && __builtin_cpu_supports("avxvnni")) return &tk_kernels_avxvnni;
  if (strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c"))
    return !__builtin_cpu_supports("avx512vnni")   ? &tk_kernels_avx512_without_vnni
           : !__builtin_cpu_supports("avx512bf16") ? &tk_kernels_avx512_vnni
                                                   : &tk_kernels_avx512;
#endif
#if defined(__aarch64__)
  if (strcmp(name, "neon") == 0) return &tk_kernels_neon;
#endif
  return NULL;
}

// The path of that name, unless its bits differ on this processor.
static const tk_kernels *usable(const char *name) {
  const tk_kernels *path = find(name);
  if (!path || path == &tk_kernels_portable || tk_kernels_agree(path)) return path;
#if defined(__x86_64__)
  // The order within vdpbf16ps is the youngest promise: without it the rest may still be used.
  if (path == &tk_kernels_avx512 && tk_kernels_agree(&tk_kernels_avx512_vnni)) return &tk_kernels_avx512_vnni;
#endif
  fprintf(stderr, "tina: the %s kernels failed their self-test here and are not used\n", name);
  return NULL;
}

static _Atomic(const tk_kernels *) chosen;

const tk_kernels *tk_current(void) {
  const tk_kernels *path = atomic_load_explicit(&chosen, memory_order_acquire);
  if (path) return path;
  const char *wanted = getenv("TINA_ISA");
  path = wanted ? usable(wanted) : NULL;
  if (wanted && !path)
    fprintf(stderr, "tina: TINA_ISA=%s is not available on this processor; choosing by itself\n", wanted);
  static const char *const order[] = {"avx512", "avxvnni", "avx2", "neon", "portable"};
  for (size_t i = 0; !path && i < sizeof order / sizeof *order; i++) {
    path = usable(order[i]);
  }
  atomic_store_explicit(&chosen, path, memory_order_release);  // two threads would store the same
  return path;
}

const char *tk_isa(void) { return tk_current()->name; }

bool tk_isa_select(const char *name) {
  const tk_kernels *path = find(name);
  if (path) atomic_store(&chosen, path);
  return path != NULL;
}

// ---- Rows ----------------------------------------------------------------------------------

struct rows_region {
  const tk_kernels *path;
  const float *x;
  float *y;
  const float *weight;
  float eps;
  size_t n, dim, rows;
};

static void rmsnorm_chunk(void *context, size_t chunk) {
  const struct rows_region *r = context;
  for (size_t i = chunk * r->rows; i < (chunk + 1) * r->rows && i < r->n; i++)
    r->path->rmsnorm(r->x + i * r->dim, r->dim, r->weight, r->eps, r->y + i * r->dim);
}

// The activation is element by element, so it is cut anywhere.
static void swiglu_chunk(void *context, size_t chunk) {
  const struct rows_region *r = context;
  const size_t first = chunk * r->rows, count = r->n - first < r->rows ? r->n - first : r->rows;
  r->path->swiglu(r->y + first, r->x + first, count);
}

static size_t rows_per_chunk(size_t dim) { return dim > 8192 ? 1 : 8192 / (dim ? dim : 1) + 1; }

void tk_rmsnorm(tk_pool *pool, const float *x, size_t n, size_t dim, const float *weight, float eps, float *y) {
  struct rows_region r = {tk_current(), x, y, weight, eps, n, dim, rows_per_chunk(dim)};
  tk_pool_run(pool, (n + r.rows - 1) / r.rows, rmsnorm_chunk, &r);
}

void tk_swiglu(tk_pool *pool, float *gate, const float *up, size_t n, size_t dim) {
  const size_t count = n * dim;
  size_t piece = (count / (2 * tk_pool_threads(pool)) + 8) & ~(size_t)7;
  piece = piece < 2048 ? 2048 : piece > 8192 ? 8192 : piece;
  struct rows_region r = {tk_current(), up, gate, NULL, 0, count, 1, piece};
  tk_pool_run(pool, (count + piece - 1) / piece, swiglu_chunk, &r);
}

void tk_rope(float *x, size_t n, size_t x_stride, size_t heads, size_t head_dim, const float *cosine,
             const float *sine, const uint32_t *positions) {
  const tk_kernels *path = tk_current();
  const size_t half = head_dim / 2;
  for (size_t i = 0; i < n; i++)
    path->rope(x + i * x_stride, heads, head_dim, cosine + positions[i] * half, sine + positions[i] * half);
}

void tk_add(float *x, const float *y, size_t count) { for (size_t i = 0; i < count; i++) x[i] += y[i]; }
void tk_scale(float *x, float factor, size_t count) { for (size_t i = 0; i < count; i++) x[i] *= factor; }
void tk_from_f32(const float *x, void *y, tk_type type, size_t count) { tk_current()->from_f32(x, y, type, count); }
void tk_to_f32(const void *x, tk_type type, float *y, size_t count) { tk_current()->to_f32(x, type, y, count); }
float tk_exp(float x) { return tk_current()->exp(x); }

// ---- Attention -----------------------------------------------------------------------------

// A chunk is a block of neighbouring rows of one sequence, for one key head, or for some of its query heads where
// there are more threads than key heads. Each result is computed whole by one thread.
#define BLOCK_ROWS 8
#define SCORES 131072  // floats of scores that a block of several rows may take: half of a second-level cache

struct attention_region {
  const tk_attention_shape *shape;
  const tk_attention_row *rows;
  const uint32_t *starts;  // first row of each block, and the total
  size_t parts;            // of the query heads that share a key head
  float *scratch;
  size_t scratch_floats;
  const tk_kernels *path;
};

static void attention_chunk(void *context, size_t chunk, size_t thread) {
  const struct attention_region *r = context;
  const tk_attention_shape *s = r->shape;
  const size_t part = chunk % r->parts, kv_head = chunk / r->parts % s->kv_heads;
  const size_t block = chunk / r->parts / s->kv_heads, group = s->heads / s->kv_heads;
  const size_t first = group * part / r->parts, last = group * (part + 1) / r->parts;
  const tk_attention_row *rows = r->rows + r->starts[block];
  const size_t count = r->starts[block + 1] - r->starts[block];
  size_t begin = rows[0].first, end = rows[0].keys;
  for (size_t i = 1; i < count; i++) {
    begin = rows[i].first < begin ? rows[i].first : begin;
    end = rows[i].keys > end ? rows[i].keys : end;
  }
  r->path->attention(s, rows, count, kv_head, kv_head * group + first, last - first,
                     r->scratch + thread * r->scratch_floats, (end - begin + 23) & ~(size_t)15);
}

void tk_attention(tk_pool *pool, const tk_attention_shape *shape, const tk_attention_row *rows, size_t n,
                  size_t max_keys) {
  enum { ON_STACK = 1024 };
  uint32_t few[ON_STACK + 1], *starts = few;
  if (n > ON_STACK && !(starts = malloc((n + 1) * sizeof *starts))) abort();  // out of memory
  const size_t group = shape->heads / shape->kv_heads, apart = (max_keys + 23) & ~(size_t)15;
  size_t limit = SCORES / (group * apart);
  limit = limit < 1 ? 1 : limit > BLOCK_ROWS ? BLOCK_ROWS : limit;
  size_t blocks = 0, widest = 1;
  for (size_t i = 0; i < n; blocks++) {
    starts[blocks] = (uint32_t)i;
    size_t count = 1;
    while (count < limit && i + count < n && rows[i + count].pages == rows[i].pages) count++;
    widest = count > widest ? count : widest;
    i += count;
  }
  starts[blocks] = (uint32_t)n;
  const size_t chunks = blocks * shape->kv_heads, threads = tk_pool_threads(pool);
  size_t parts = chunks < threads ? (threads + chunks - 1) / (chunks ? chunks : 1) : 1;
  parts = parts < group ? parts : group;
  const size_t floats = (tk_attention_floats(shape, widest * group, apart) + 15) & ~(size_t)15;
  float *scratch = tk_pool_scratch(pool, floats);
  if (!scratch) abort();  // out of memory: nothing sensible can follow
  struct attention_region r = {shape, rows, starts, parts, scratch, floats, tk_current()};
  tk_pool_run_indexed(pool, chunks * parts, attention_chunk, &r);
  if (starts != few) free(starts);
}
