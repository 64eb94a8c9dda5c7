// Spreads rows of logits over the pool.
#include "dispatch/kernel.h"
#include "dispatch/paths.h"
#include "pool/pool.h"

struct sample_region {
  const tk_sampling_kernels *kernels;
  tk_sample_row *rows;
  float *scratch;
  size_t floats;
};

static void sample_chunk(void *context, size_t chunk, size_t thread) {
  const struct sample_region *r = context;
  r->kernels->sample(&r->rows[chunk], r->scratch + thread * r->floats);
}

void tk_sample(tk_pool *pool, tk_sample_row *rows, size_t n) {
  size_t floats = 0;
  for (size_t i = 0; i < n; i++) {
    size_t needed = tk_sampling_floats(rows[i].allowed);
    if (needed > floats) floats = needed;
  }
  floats = (floats + 15) & ~(size_t)15;
  float *scratch = tk_pool_scratch(pool, floats);
  if (!scratch) abort();  // out of memory: nothing sensible can follow
  struct sample_region r = {tk_current()->sampling, rows, scratch, floats};
  tk_pool_run_indexed(pool, n, sample_chunk, &r);
}

struct score_region {
  const tk_sampling_kernels *kernels;
  tk_score_row *rows;
};

static void score_chunk(void *context, size_t chunk) {
  const struct score_region *r = context;
  r->kernels->score(&r->rows[chunk]);
}

void tk_score(tk_pool *pool, tk_score_row *rows, size_t n) {
  struct score_region r = {tk_current()->sampling, rows};
  tk_pool_run(pool, n, score_chunk, &r);
}

bool tk_softmax_of(const float *logits, size_t count, float temperature, tk_softmax *result) {
  return tk_current()->sampling->softmax(logits, count, temperature, result);
}

// In double precision, rounded once.
float tk_log_probability(const tk_softmax *s, float logit) {
  return (float)(((double)logit - (double)s->peak) * (double)s->inverse - s->log_sum);
}
