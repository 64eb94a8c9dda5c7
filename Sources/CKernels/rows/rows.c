// Spreads norms, activations and conversions of rows over the pool.
#include "dispatch/kernel.h"
#include "dispatch/paths.h"
#include "pool/pool.h"

struct rows_region {
  const tk_row_kernels *kernels;
  void (*gated)(float *gate, const float *up, size_t count);
  const float *x;
  float *y;
  const float *weight;
  float eps;
  size_t n, dim, rows;
};

static void rmsnorm_chunk(void *context, size_t chunk) {
  const struct rows_region *r = context;
  for (size_t i = chunk * r->rows; i < (chunk + 1) * r->rows && i < r->n; i++)
    r->kernels->rmsnorm(r->x + i * r->dim, r->dim, r->weight, r->eps, r->y + i * r->dim);
}

// Each element is computed by itself, so chunks may cut rows.
static void gated_chunk(void *context, size_t chunk) {
  const struct rows_region *r = context;
  const size_t first = chunk * r->rows, count = r->n - first < r->rows ? r->n - first : r->rows;
  r->gated(r->y + first, r->x + first, count);
}

static size_t rows_per_chunk(size_t dim) { return dim > 8192 ? 1 : 8192 / (dim ? dim : 1) + 1; }

void tk_rmsnorm(tk_pool *pool, const float *x, size_t n, size_t dim, const float *weight, float eps, float *y) {
  struct rows_region r = {tk_current()->rows, NULL, x, y, weight, eps, n, dim, rows_per_chunk(dim)};
  tk_pool_run(pool, (n + r.rows - 1) / r.rows, rmsnorm_chunk, &r);
}

static void gated_rows(tk_pool *pool, void (*gated)(float *, const float *, size_t), float *gate, const float *up,
                       size_t n, size_t dim) {
  const size_t count = n * dim;
  size_t piece = (count / (2 * tk_pool_threads(pool)) + 8) & ~(size_t)7;
  piece = piece < 2048 ? 2048 : piece > 8192 ? 8192 : piece;
  struct rows_region r = {tk_current()->rows, gated, up, gate, NULL, 0, count, 1, piece};
  tk_pool_run(pool, (count + piece - 1) / piece, gated_chunk, &r);
}

void tk_swiglu(tk_pool *pool, float *gate, const float *up, size_t n, size_t dim) {
  gated_rows(pool, tk_current()->rows->swiglu, gate, up, n, dim);
}

void tk_geglu(tk_pool *pool, float *gate, const float *up, size_t n, size_t dim) {
  gated_rows(pool, tk_current()->rows->geglu, gate, up, n, dim);
}

void tk_rope(float *x, size_t n, size_t x_stride, size_t heads, size_t head_dim, const float *cosine,
             const float *sine, const uint32_t *positions) {
  const tk_row_kernels *kernels = tk_current()->rows;
  const size_t half = head_dim / 2;
  for (size_t i = 0; i < n; i++)
    kernels->rope(x + i * x_stride, heads, head_dim, cosine + positions[i] * half, sine + positions[i] * half);
}

void tk_add(float *x, const float *y, size_t count) { for (size_t i = 0; i < count; i++) x[i] += y[i]; }
void tk_scale(float *x, float factor, size_t count) { for (size_t i = 0; i < count; i++) x[i] *= factor; }
void tk_from_f32(const float *x, void *y, tk_type type, size_t count) {
  tk_current()->rows->from_f32(x, y, type, count);
}
void tk_to_f32(const void *x, tk_type type, float *y, size_t count) {
  tk_current()->rows->to_f32(x, type, y, count);
}
float tk_exp(float x) { return tk_current()->rows->exp(x); }
