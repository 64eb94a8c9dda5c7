// What the parts of the kernels' benchmark share: clocks, cold memory, the machine's limits.
#ifndef PARTS_H
#define PARTS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ckernels.h"

extern tk_pool *pool;
extern size_t threads;
// Operations a second in float32, bf16 and bytes, and bytes read a second; the best so far.
extern struct limits { double f32, bf16, bytes, reads; } limits;

// CPU time of the calling thread for one thread, wall time for more.
double now(void);
// Called again between measurements, because a shared host's limits move. `fresh` forgets the earlier ones.
void measure_limits(bool fresh);
// The next `bytes` of memory that no cache holds, off the lines of memory as in most files.
const char *cold(size_t bytes);
float *floats(size_t count);

// Weights of a type against inputs rounded so.
typedef struct weights {
  const char *name;
  tk_type type;
  tk_activations activations;
} weights;
double seconds_of_linear(weights w, size_t rows, size_t columns, size_t n, size_t rank, size_t adapters);
// The least time that the machine could take: the larger of reading and computing.
struct least { double reading, computing; };
struct least least_of_linear(weights w, size_t rows, size_t columns, size_t n);

void measure_linear(weights w, const size_t *counts, size_t count);
void measure_adapters(weights w);
void measure_attention(void);
void measure_steps(weights w);

#endif
