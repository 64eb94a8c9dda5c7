// A path of instructions: the kernels of each folder that were compiled for it. paths.c lists all of them, and knows
// the usual one, the best by its instructions. choice.c measures which is fastest for a kind of kernel.
#ifndef TK_PATHS_H
#define TK_PATHS_H

#include "attention/attention.h"
#include "limits/limits.h"
#include "linear/bf16/bf16.h"
#include "linear/int8/int8.h"
#include "linear/linear.h"
#include "merge/merge.h"
#include "quant/blocks.h"
#include "rows/rows.h"
#include "sampling/sampling.h"
#include "training/training.h"

typedef struct tk_path {
  const char *name;
  const tk_linear_kernels *linear;
  const tk_int8 *int8;  // block-quantised weights against inputs rounded to eight bits
  const tk_bf16 *bf16;  // BF16 weights against inputs rounded to bf16
  const tk_attention_kernels *attention;
  const tk_row_kernels *rows;
  const tk_training_kernels *training;
  const tk_block_kernels *blocks;
  const tk_merge_kernels *merge;
  const tk_sampling_kernels *sampling;
  const tk_limit_kernels *limits;
} tk_path;

extern const tk_path tk_path_portable;
const tk_path *tk_current(void);
// The path for a kind of kernel (tk_paths.h) and a number of inputs.
const tk_path *tk_path_for(size_t kind, size_t inputs);
// The path of that name if its bits are right here, else null.
const tk_path *tk_path_named(const char *name);
// Forgets all choices: from now on every kernel takes the usual path.
void tk_paths_forget(void);
// Whether a path gives the portable path's bits here.
bool tk_path_agrees(const tk_path *path);

#endif
