// Cuts linear maps into chunks for the pool.
#include <sched.h>
#include <stdlib.h>

#include "include/tk_quant.h"
#include "pool.h"
#include "table.h"

// Part of a region: a base map, or one term's u = scale · A x. A chunk is some rows for some of the inputs.
struct job {
  tk_linear_args map;
  float scale;
  bool opens;           // its chunks are those that the gate waits for
  size_t first_chunk;
  size_t rows;          // of a chunk, a multiple of the kernels' panel of 8
  size_t groups;        // of inputs; neighbouring chunks share one, which is not fetched ahead as weights are
  size_t chunks;        // of one group
};

struct region {
  const struct job *jobs;
  size_t count;
  size_t threads;
  const tk_kernels *path;
  float *scratch;        // for rows of block-quantised weights, scratch_floats a thread
  size_t scratch_floats;
  tk_gate gate;
};

// Block-quantised weights become float32 some rows at a time, in the second-level cache, and meet the kernel for
// float32: one order of summation for every type.
#define QUANTISED_ROWS 16

static void run_quantised(struct region *r, const struct job *job, size_t first, size_t last, size_t from,
                          size_t count, float *scratch) {
  tk_linear_args map = job->map;
  const size_t columns = map.columns, row_bytes = tk_row_bytes(map.type, columns);
  map.type = TK_F32;
  for (size_t row = first; row < last; row += QUANTISED_ROWS) {
    const size_t end = row + QUANTISED_ROWS < last ? row + QUANTISED_ROWS : last;
    tk_dequantise((const char *)job->map.weights + row * row_bytes, job->map.type, scratch, (end - row) * columns);
    // The kernel counts rows from the map's first.
    map.weights = (const void *)((uintptr_t)scratch - row * columns * sizeof(float));
    r->path->linear(&map, job->scale, row, end, from, count, row, &r->gate);
  }
}

void tk_gate_wait(tk_gate *gate) {
  // The chunks waited for come first in the region, so other threads are at work on them; they are small.
  for (int spins = 0; atomic_load_explicit(&gate->done, memory_order_acquire) < gate->target; spins++)
    if (spins > 1000) sched_yield();
}

static void run_chunk(void *context, size_t chunk, size_t thread) {
  struct region *r = context;
  size_t low = 0, high = r->count;
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (r->jobs[middle].first_chunk <= chunk) low = middle; else high = middle;
  }
  const struct job *job = &r->jobs[low];
  const size_t index = (chunk - job->first_chunk) % job->chunks, group = (chunk - job->first_chunk) / job->chunks;
  const size_t n = job->map.n, first = index * job->rows, from = n * group / job->groups;
  const size_t last = first + job->rows < job->map.rows ? first + job->rows : job->map.rows;
  // Threads take turns, so this one's next chunk is likely to be as many further as there are threads.
  const size_t then = (index + r->threads) % job->chunks * job->rows;
  const size_t count = n * (group + 1) / job->groups - from;
  if (tk_block_elements(job->map.type) > 1)
    run_quantised(r, job, first, last, from, count, r->scratch + thread * r->scratch_floats);
  else r->path->linear(&job->map, job->scale, first, last, from, count, then, &r->gate);
  if (job->opens) atomic_fetch_add_explicit(&r->gate.done, 1, memory_order_release);
}

// Rows of a chunk. Few inputs: about this much of weights, so that the end of a region finds all threads busy
// until nearly the end. Many: enough rows that a block of inputs in the second-level cache serves several panels.
#define CHUNK_BYTES 98304

static size_t chunk_rows(const tk_linear_args *m, size_t threads) {
  const size_t row_bytes = m->columns * (m->type == TK_F32 ? 4 : 2) + 1;
  size_t rows = m->n == 1 ? CHUNK_BYTES / row_bytes : m->n < 32 ? 32 : 64;
  // Small maps are cut too, but not below what a chunk's start costs.
  const size_t fair = m->rows / (4 * threads);
  if (fair < rows && row_bytes * fair * m->n > 16384) rows = fair;
  return (rows + 7) & ~(size_t)7 ? (rows + 7) & ~(size_t)7 : 8;
}

static void add_job(struct job *jobs, size_t *count, size_t *chunks, const tk_linear_args *map, float scale,
                    bool opens, size_t threads) {
  if (map->n == 0 || map->rows == 0) return;
  const size_t rows = chunk_rows(map, threads), pieces = (map->rows + rows - 1) / rows;
  const struct job job = {*map, scale, opens, *chunks, rows, (map->n + TK_COLUMNS - 1) / TK_COLUMNS, pieces};
  jobs[(*count)++] = job;
  *chunks += pieces * job.groups;
}

void tk_linear(tk_pool *pool, const tk_linear_args *maps, size_t count) {
  enum { ON_STACK = 64 };
  struct job few[ON_STACK], *jobs = few;
  size_t total = count;
  for (size_t i = 0; i < count; i++) total += maps[i].term_count;
  if (total > ON_STACK && !(jobs = malloc(total * sizeof *jobs))) abort();  // out of memory
  const size_t threads = tk_pool_threads(pool);
  struct region r = {.jobs = jobs, .threads = threads, .path = tk_current()};
  size_t chunks = 0;
  for (size_t i = 0; i < count; i++) {
    const tk_linear_args *map = &maps[i];
    for (size_t j = 0; j < map->term_count; j++) {
      const tk_low_rank *t = &map->terms[j];
      if (!t->a) continue;
      const tk_linear_args a = {.weights = t->a, .type = t->a_type, .rows = t->rank, .columns = map->columns,
                                .x = map->x + t->first * map->x_stride, .x_stride = map->x_stride, .n = t->count,
                                .y = t->u, .y_stride = t->rank};
      add_job(jobs, &r.count, &chunks, &a, t->scale, true, threads);
    }
  }
  r.gate.target = chunks;
  for (size_t i = 0; i < count; i++) add_job(jobs, &r.count, &chunks, &maps[i], 1, false, threads);
  r.gate.done = 0;
  for (size_t i = 0; i < count; i++)
    if (tk_block_elements(maps[i].type) > 1 && maps[i].columns * QUANTISED_ROWS > r.scratch_floats)
      r.scratch_floats = maps[i].columns * QUANTISED_ROWS;
  if (r.scratch_floats && !(r.scratch = tk_pool_scratch(pool, r.scratch_floats))) abort();  // out of memory
  tk_pool_run_indexed(pool, chunks, run_chunk, &r);
  if (jobs != few) free(jobs);
}
