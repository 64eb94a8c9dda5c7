// How long several processes take to add up a gradient of the 1.5B shape at rank 32: one round, and the sum to all.
// tools/check/mpi_train.py --only cable compiles and runs it on two hosts of network namespaces.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmpi.h"

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int main(void) {
  const char *why = cm_start();
  if (why) {
    fprintf(stderr, "exchange: %s\n", why);
    return 1;
  }
  const size_t count = 36929536;
  float *part = malloc(count * sizeof *part), *sum = calloc(count, sizeof *sum);
  unsigned long long *all = calloc((size_t)cm_size(), sizeof *all);
  if (!part || !sum || !all) return 1;
  for (size_t i = 0; i < count; i++) part[i] = (float)(i % 7);
  for (int turn = 0; turn < 3; turn++) {
    if (cm_gather_word(0, all)) return 1;
    const double start = now();
    const unsigned long long sent = cm_sent_bytes();
    if (cm_add(part, cm_size(), sum, count)) return 1;
    const double middle = now();
    if (cm_complete(sum, count)) return 1;
    if (cm_rank() == 0)
      printf("%d processes: a round %.2f s, the sum to all %.2f s; each sent %.0f MB\n", cm_size(), middle - start,
             now() - middle, (double)(cm_sent_bytes() - sent) / 1e6);
  }
  for (size_t i = 0; i < count; i++) {
    if (sum[i] == 3.0f * (float)cm_size() * (float)(i % 7)) continue;
    fprintf(stderr, "exchange: number %zu is %g\n", i, (double)sum[i]);
    return 1;
  }
  cm_finish();
  return 0;
}
