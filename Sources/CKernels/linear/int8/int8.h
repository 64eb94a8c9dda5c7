// Block-quantised weights against inputs of eight bits, on each path of instructions.
#ifndef TK_INT8_H
#define TK_INT8_H

#include "ckernels.h"

// 32 elements of an input: codes, their scale, and their sums as the formulas need them.
typedef struct tk_q8 {
  int8_t codes[32];
  float scale;
  int32_t minus[2];  // minus the sum of the codes of each half
  float sum;         // scale × the sum of the codes
} tk_q8;

typedef struct tk_int8 {
  // Rounds one input of `count` elements, a multiple of 32.
  void (*quantise)(const float *x, size_t count, tk_q8 *y);
  // Rows first ..< last of one map, without its terms, for `count` (at most TK_COLUMNS) inputs from ..< from + count.
  // x holds all inputs of the map. `then` is a hint, or null: the weights that the thread probably needs next.
  // `panels` turns rows and stores them, which pays with several inputs; `rows` is for at most `few` inputs, and turns
  // them while it meets the inputs (x86-64), or reads them as they lie. Both give the same bits.
  void (*panels)(const tk_linear_args *map, const tk_q8 *x, size_t first, size_t last, size_t from, size_t count,
                 const void *then);
  void (*rows)(const tk_linear_args *map, const tk_q8 *x, size_t first, size_t last, size_t from, size_t count,
               const void *then);
  size_t few;
  size_t panel;  // rows that are computed together; chunks are multiples of it
} tk_int8;

// The kernel of the two that suits so many inputs.
static inline void tk_int8_linear(const tk_int8 *kernels, const tk_linear_args *map, const tk_q8 *x, size_t first,
                                  size_t last, size_t from, size_t count, const void *then) {
  (count <= kernels->few ? kernels->rows : kernels->panels)(map, x, first, last, from, count, then);
}

// The sanitizers' builds never compute with integers. They leave the vectors out, which take half of the time.
#ifdef TK_PORTABLE_INTEGERS
#define tk_int8_avx2 tk_int8_portable
#define tk_int8_avxvnni tk_int8_portable
#define tk_int8_avx512vnni tk_int8_portable
#define tk_int8_neon tk_int8_portable
extern const tk_int8 tk_int8_portable;
#else
extern const tk_int8 tk_int8_portable, tk_int8_avx2, tk_int8_avxvnni, tk_int8_avx512vnni, tk_int8_neon;
#endif

#endif
