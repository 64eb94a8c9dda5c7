// Chooses the path that makes blocks.
#include "kernel.h"

#include "quantise.h"

#include <string.h>

#include "include/tk_merge.h"
#include "include/tk_quant.h"

uint64_t tk_quantise(const float *x, size_t count, void *blocks, tk_type type) {
  if (tk_block_elements(type) == 1) return tk_convert(x, TK_F32, count, blocks, type);
#if defined(__x86_64__)
  // Every path but the portable one has AVX2.
  if (strcmp(tk_isa(), "portable") != 0) return tk_quantise_avx2(x, count, blocks, type);
#endif
  return tk_quantise_portable(x, count, blocks, type);
}
