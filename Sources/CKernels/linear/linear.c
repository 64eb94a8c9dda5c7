// Cuts linear maps into chunks for the pool.
#include "dispatch/kernel.h"

#include <sched.h>

#include "dispatch/paths.h"
#include "pool/pool.h"

// A job is a base map, or one term's u = scale · A x. The jobs of one call are cut into chunks: some rows for some
// inputs.
struct job {
  tk_linear_args map;
  const tk_path *path;
  float scale;
  size_t first_chunk;
  size_t rows;          // of a chunk, a multiple of the kernels' panel of 8
  size_t groups;        // of inputs; neighbouring chunks share one
  size_t chunks;        // of one group
  const void *rounded;  // the inputs in eight bits or in bf16; null where they stay float32
};

// A thread takes a run of neighbouring chunks at a time. So many runs are possible in one call: enough for 96 threads
// to end at about the same time.
#define RUNS 4096

struct region {
  const struct job *jobs;
  size_t count;
  size_t chunks;
  size_t run_count;
  size_t *runs;  // RUNS + 1: first chunk of each, and the end of the last; no run has an A x and a base map
  size_t threads;
  const tk_path *path;
  float *scratch;        // for widened rows of block-quantised weights, scratch_floats a thread
  size_t scratch_floats;
  tk_gate gate;          // opens after all A x, which are the first chunks
};

// Block-quantised weights against float32 inputs: widens a few rows at a time for the kernel of float32.
#define QUANTISED_ROWS 16

static void run_widened(struct region *r, const struct job *job, size_t first, size_t last, size_t from,
                          size_t count, float *scratch) {
  tk_linear_args map = job->map;
  const size_t columns = map.columns, row_bytes = tk_row_bytes(map.type, columns);
  map.type = TK_F32;
  for (size_t row = first; row < last; row += QUANTISED_ROWS) {
    const size_t end = row + QUANTISED_ROWS < last ? row + QUANTISED_ROWS : last;
    tk_dequantise((const char *)job->map.weights + row * row_bytes, job->map.type, scratch, (end - row) * columns);
    // The kernel adds `row` rows to the address of the weights.
    map.weights = (const void *)((uintptr_t)scratch - row * columns * sizeof(float));
    job->path->linear->linear(&map, job->scale, row, end, from, count, scratch, &r->gate);
  }
}

// Rounded inputs: B · u, whose u is float32, is a sum of its own, added to the finished result.
static void run_rounded(struct region *r, const struct job *job, size_t first, size_t last, size_t from, size_t count,
                        const void *then) {
  const tk_linear_args *map = &job->map;
  if (map->type == TK_BF16) job->path->bf16->linear(map, job->rounded, first, last, from, count, then);
  else tk_int8_linear(job->path->int8, map, job->rounded, first, last, from, count, then);
  for (size_t i = 0; i < map->term_count; i++) {
    const tk_low_rank *t = &map->terms[i];
    const size_t low = t->first > from ? t->first : from;
    const size_t end = t->first + t->count < from + count ? t->first + t->count : from + count;
    if (low >= end) continue;
    tk_gate_wait(&r->gate);
    const tk_linear_args b = {.weights = t->b, .type = t->b_type, .rows = map->rows, .columns = t->rank,
                              .x = t->u, .x_stride = t->rank, .n = t->count, .y = map->y + t->first * map->y_stride,
                              .y_stride = map->y_stride, .add = true};
    r->path->linear->linear(&b, 1, first, last, low - t->first, end - low, t->b, &r->gate);
  }
}

void tk_gate_wait(tk_gate *gate) {
  // Short: other threads are already at work on these chunks, which are small and come first.
  for (int spins = 0; atomic_load_explicit(&gate->done, memory_order_acquire) < gate->target; spins++)
    if (spins > 1000) sched_yield();
}

static const struct job *job_of(const struct region *r, size_t chunk) {
  size_t low = 0, high = r->count;
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (r->jobs[middle].first_chunk <= chunk) low = middle; else high = middle;
  }
  return &r->jobs[low];
}

// Where the weights of a chunk begin; null beyond the last.
static const void *weights_of(const struct region *r, size_t chunk) {
  if (chunk >= r->chunks) return NULL;
  const struct job *job = job_of(r, chunk);
  const size_t row = (chunk - job->first_chunk) % job->chunks * job->rows;
  return (const char *)job->map.weights + row * tk_row_bytes(job->map.type, job->map.columns);
}

// Computes a chunk; `next` is the chunk that this thread probably takes afterwards.
static void run_chunk(struct region *r, size_t chunk, size_t next, size_t thread) {
  const struct job *job = job_of(r, chunk);
  const size_t index = (chunk - job->first_chunk) % job->chunks, group = (chunk - job->first_chunk) / job->chunks;
  const size_t n = job->map.n, first = index * job->rows, from = n * group / job->groups;
  const size_t last = first + job->rows < job->map.rows ? first + job->rows : job->map.rows;
  const size_t count = n * (group + 1) / job->groups - from;
  const void *then = weights_of(r, next);
  if (job->rounded) {
    run_rounded(r, job, first, last, from, count, then);
  } else if (tk_block_elements(job->map.type) > 1) {
    run_widened(r, job, first, last, from, count, r->scratch + thread * r->scratch_floats);
  } else {
    then = then ? then : job->map.weights;
    job->path->linear->linear(&job->map, job->scale, first, last, from, count, then, &r->gate);
  }
}

static void run_chunks(void *context, size_t run, size_t thread) {
  struct region *r = context;
  const size_t end = r->runs[run + 1];
  const size_t after = run + r->threads < r->run_count ? r->runs[run + r->threads] : r->chunks;
  for (size_t chunk = r->runs[run]; chunk < end; chunk++) {
    run_chunk(r, chunk, chunk + 1 < end ? chunk + 1 : after, thread);
    if (chunk < r->gate.target) atomic_fetch_add_explicit(&r->gate.done, 1, memory_order_release);
  }
}

// Cuts chunks up to `end` into at most `room` runs. Long runs come first: a thread reads fastest where it goes on from
// its last address. Single chunks come last: they keep all threads busy until nearly the end.
static void cut_runs(struct region *r, size_t end, size_t room) {
  for (size_t at = r->runs[r->run_count]; at < end; room--) {
    const size_t left = end - at;
    size_t size = left / (2 * r->threads);
    if (size * room < left && room < left) size = (left + room - 1) / room;
    at += size ? size : 1;
    r->runs[++r->run_count] = at;
  }
}

// The rows of a chunk. Few inputs: about CHUNK_BYTES of weights, few enough that threads finish at about the same time.
// Many inputs: enough rows that a block of inputs in the second-level cache serves several panels.
#define CHUNK_BYTES 98304
#define FEW_INPUTS 6
#define FEW_BYTES 4  // inputs of eight bits

static size_t chunk_rows(const tk_linear_args *m, size_t panel, size_t threads) {
  const size_t row_bytes = tk_row_bytes(m->type, m->columns) + 1;
  const bool is_few = m->n == 1 || m->n <= (tk_block_elements(m->type) == 1 ? FEW_INPUTS : FEW_BYTES);
  size_t rows = is_few ? CHUNK_BYTES / row_bytes : m->n < 32 ? 32 : 64;
  // A small map is cut finer, but no chunk is shorter than its start is worth. Where many threads would make it so, a
  // map of half a megabyte or more has the shortest chunks that are.
  const size_t fair = m->rows / (4 * threads), least = 16384 / (row_bytes * m->n) + 1;
  if (fair >= least && fair < rows) rows = fair;
  if (fair < least && least < rows && m->rows >= 32 * least) rows = least;
  rows = (rows + panel - 1) / panel * panel;
  return rows ? rows : panel;
}

// Block-quantised weights against float32 are widened, and meet the kernels of float32.
static size_t kind_of(tk_type type, bool is_rounded) {
  if (!is_rounded) return TK_KIND_LINEAR + (tk_block_elements(type) > 1 ? TK_F32 : type);
  return type == TK_BF16 ? TK_KIND_BF16 : TK_KIND_LINEAR + type;
}

static void add_job(struct region *r, struct job *jobs, size_t *chunks, const tk_linear_args *map, float scale,
                    const void *rounded) {
  if (map->n == 0 || map->rows == 0) return;
  const tk_path *path = tk_path_for(kind_of(map->type, rounded != NULL), map->n);
  const size_t panel = !rounded ? 8 : map->type == TK_BF16 ? path->bf16->panel : path->int8->panel;
  const size_t rows = chunk_rows(map, panel, r->threads);
  const size_t pieces = (map->rows + rows - 1) / rows;
  const struct job job = {.map = *map, .path = path, .scale = scale, .first_chunk = *chunks, .rows = rows,
                          .groups = (map->n + TK_COLUMNS - 1) / TK_COLUMNS, .chunks = pieces, .rounded = rounded};
  jobs[r->count++] = job;
  *chunks += pieces * job.groups;
}

// ---- Rounded inputs ----------------------------------------------------------------------------

static bool rounds(tk_type type, tk_activations activations) {
  if (type == TK_BF16) return activations == TK_ACTIVATIONS_BF16;
  return tk_block_elements(type) > 1 && activations != TK_ACTIVATIONS_F32;
}

static bool wants_rounded(const tk_linear_args *m) {
  return m->n > 0 && m->rows > 0 && rounds(m->type, m->activations);
}

size_t tk_linear_kind(tk_type type, tk_activations activations) {
  return kind_of(type, rounds(type, activations));
}

// Inputs are rounded in units of 32 columns: the bytes of a rounded unit, and how many units an input has.
static size_t unit_bytes(const tk_linear_args *m) { return m->type == TK_BF16 ? TK_BF16_GROUP * 2 : sizeof(tk_q8); }
static size_t units_of(const tk_linear_args *m) { return tk_bf16_padded(m->columns) / TK_BF16_GROUP; }
_Static_assert(TK_BF16_GROUP == 32, "blocks of tk_q8 have as many");

// The first map with the same inputs, which are rounded once for all of them.
static size_t first_with_inputs_of(const tk_linear_args *maps, size_t i) {
  for (size_t j = 0; j < i; j++)
    if (wants_rounded(&maps[j]) && maps[j].x == maps[i].x && maps[j].n == maps[i].n &&
        maps[j].columns == maps[i].columns && maps[j].x_stride == maps[i].x_stride &&
        (maps[j].type == TK_BF16) == (maps[i].type == TK_BF16))
      return j;
  return i;
}

struct rounding {
  const tk_path *path;
  const tk_linear_args *map;
  char *to;
  size_t pieces;  // of one input
};

static void round_chunk(void *context, size_t chunk) {
  const struct rounding *r = context;
  const tk_linear_args *m = r->map;
  const size_t i = chunk / r->pieces, piece = chunk % r->pieces, units = units_of(m);
  const size_t first = units * piece / r->pieces, last = units * (piece + 1) / r->pieces;
  const float *x = m->x + i * m->x_stride + first * 32;
  void *to = r->to + (i * units + first) * unit_bytes(m);
  if (m->type != TK_BF16) {
    r->path->int8->quantise(x, (last - first) * 32, to);
    return;
  }
  const size_t padded = (last - first) * 32, there = m->columns - first * 32, count = there < padded ? there : padded;
  r->path->rows->from_f32(x, to, TK_BF16, count);
  memset((uint16_t *)to + count, 0, (padded - count) * sizeof(uint16_t));
}

// The caller rounds fewer elements than this by itself: that takes about a microsecond.
#define ALONE 8192

// Rounds the inputs of all maps that want it; rounded[i] becomes where those of map i are.
static void round_inputs(tk_pool *pool, const struct region *r, const tk_linear_args *maps, size_t count,
                         const void **rounded) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++)
    if (wants_rounded(&maps[i]) && first_with_inputs_of(maps, i) == i)
      total += maps[i].n * units_of(&maps[i]) * unit_bytes(&maps[i]);
  char *to = total ? tk_pool_shared(pool, total) : NULL;
  if (total && !to) abort();  // out of memory
  for (size_t i = 0; i < count; i++) {
    rounded[i] = NULL;
    if (!wants_rounded(&maps[i])) continue;
    const size_t first = first_with_inputs_of(maps, i);
    rounded[i] = rounded[first];
    if (first < i) continue;
    rounded[i] = to;
    // A piece takes as long as it costs to wake a thread for it.
    const size_t most = (maps[i].columns + ALONE / 4 - 1) / (ALONE / 4);
    struct rounding rounding = {r->path, &maps[i], to, maps[i].n > 1 ? 1 : r->threads < most ? r->threads : most};
    if (maps[i].n * maps[i].columns < ALONE) {
      rounding.pieces = 1;
      for (size_t c = 0; c < maps[i].n; c++) round_chunk(&rounding, c);
    } else {
      tk_pool_run(pool, maps[i].n * rounding.pieces, round_chunk, &rounding);
    }
    to += maps[i].n * units_of(&maps[i]) * unit_bytes(&maps[i]);
  }
}

void tk_linear(tk_pool *pool, const tk_linear_args *maps, size_t count) {
  enum { ON_STACK = 64 };
  struct job few[ON_STACK], *jobs = few;
  const void *few_rounded[ON_STACK], **rounded = few_rounded;
  size_t total = count;
  for (size_t i = 0; i < count; i++) total += maps[i].term_count;
  if (total > ON_STACK && !(jobs = malloc(total * sizeof *jobs))) abort();  // out of memory
  if (count > ON_STACK && !(rounded = malloc(count * sizeof *rounded))) abort();
  size_t runs[RUNS + 1];
  runs[0] = 0;
  struct region r = {.jobs = jobs, .runs = runs, .threads = tk_pool_threads(pool), .path = tk_current()};
  round_inputs(pool, &r, maps, count, rounded);
  size_t chunks = 0;
  for (size_t i = 0; i < count; i++) {
    const tk_linear_args *map = &maps[i];
    for (size_t j = 0; j < map->term_count; j++) {
      const tk_low_rank *t = &map->terms[j];
      if (!t->a) continue;
      const tk_linear_args a = {.weights = t->a, .type = t->a_type, .rows = t->rank, .columns = map->columns,
                                .x = map->x + t->first * map->x_stride, .x_stride = map->x_stride, .n = t->count,
                                .y = t->u, .y_stride = t->rank};
      add_job(&r, jobs, &chunks, &a, t->scale, NULL);
    }
  }
  r.gate.target = chunks;
  for (size_t i = 0; i < count; i++) add_job(&r, jobs, &chunks, &maps[i], 1, rounded[i]);
  r.chunks = chunks;
  r.gate.done = 0;
  for (size_t i = 0; i < count; i++)
    if (tk_block_elements(maps[i].type) > 1 && !rounded[i] && maps[i].columns * QUANTISED_ROWS > r.scratch_floats)
      r.scratch_floats = maps[i].columns * QUANTISED_ROWS;
  if (r.scratch_floats && !(r.scratch = tk_pool_scratch(pool, r.scratch_floats))) abort();  // out of memory
  cut_runs(&r, r.gate.target, RUNS / 2);
  cut_runs(&r, chunks, RUNS / 2);
  tk_pool_run_indexed(pool, r.run_count, run_chunks, &r);
  if (jobs != few) free(jobs);
  if (rounded != few_rounded) free(rounded);
}
