// Cuts attention into chunks for the pool.
#include "dispatch/kernel.h"
#include "dispatch/paths.h"
#include "pool/pool.h"

// A chunk is a block of neighbouring rows of one sequence for one key head, or for some of its query heads where
// threads outnumber key heads. One thread computes the whole of a result.
#define BLOCK_ROWS 8
#define SCORES 131072  // floats: the scores of a block of several rows fit half of a second-level cache

struct attention_region {
  const tk_attention_shape *shape;
  const tk_attention_row *rows;
  const uint32_t *starts;  // first row of each block, and the end of the last
  size_t parts;            // into which the query heads of a key head are cut
  float *scratch;
  size_t scratch_floats;
  const tk_attention_kernels *kernels;
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
  r->kernels->attention(s, rows, count, kv_head, kv_head * group + first, last - first,
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
  const tk_path *path = tk_path_for(TK_KIND_ATTENTION + shape->type, n);
  struct attention_region r = {shape, rows, starts, parts, scratch, floats, path->attention};
  tk_pool_run_indexed(pool, chunks * parts, attention_chunk, &r);
  if (starts != few) free(starts);
}
