// What only training needs: calls the path in use, and keeps each thread's scratch for products.
#include "dispatch/kernel.h"

#include <pthread.h>

#include "dispatch/paths.h"

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void make_key(void) {
  if (pthread_key_create(&key, free)) abort();  // no key left
}

void tk_product(const tk_product_args *product) {
  if (product->m == 0 || product->n == 0) return;
  if (product->k == 0) {
    if (!product->add)
      for (size_t i = 0; i < product->m; i++)
        for (size_t j = 0; j < product->n; j++) product->c[i * product->c_row + j] = 0;
    return;
  }
  pthread_once(&once, make_key);
  float *scratch = pthread_getspecific(key);
  if (!scratch) {
    if (posix_memalign((void **)&scratch, 64, TK_PRODUCT_FLOATS * sizeof *scratch)) abort();  // out of memory
    pthread_setspecific(key, scratch);
  }
  tk_current()->training->product(product, scratch);
}

void tk_softmax_backward(float *p, float *d, size_t count, float mean, float scale) {
  tk_current()->training->softmax_backward(p, d, count, mean, scale);
}
void tk_swiglu_backward(const float *gate, const float *up, float *d, float *d_up, size_t count) {
  tk_current()->training->swiglu_backward(gate, up, d, d_up, count);
}
void tk_geglu_backward(const float *gate, const float *up, float *d, float *d_up, size_t count) {
  tk_current()->training->geglu_backward(gate, up, d, d_up, count);
}
void tk_rmsnorm_backward(const float *x, const float *weight, const float *dy, size_t count, float eps, float *dx,
                         bool adds) {
  double square = 0, mixed = 0;
  for (size_t i = 0; i < count; i++) {
    square += (double)(x[i] * x[i]);
    mixed += (double)(x[i] * weight[i] * dy[i]);
  }
  const double inverse = 1 / sqrt(square / (double)count + (double)eps);
  const float factor = (float)(inverse * inverse * inverse * mixed / (double)count), scale = (float)inverse;
  for (size_t i = 0; i < count; i++) {
    const float value = scale * weight[i] * dy[i] - factor * x[i];
    dx[i] = adds ? dx[i] + value : value;
  }
}

float tk_ordered_dot(const float *x, const float *y, size_t count) {
  float sum = 0;
  for (size_t i = 0; i < count; i++) sum += x[i] * y[i];
  return sum;
}

double tk_head_backward(float *logits, size_t count, float factor, float log_sum, bool differentiates) {
  return tk_current()->training->head_backward(logits, count, factor, log_sum, differentiates);
}

double tk_adamw_step(const tk_adamw *settings, const float *gradient, float *x, float *m, float *v, size_t count) {
  return tk_current()->training->adamw_step(settings, gradient, x, m, v, count);
}
double tk_square_sum(const float *x, size_t count) { return tk_current()->training->square_sum(x, count); }
