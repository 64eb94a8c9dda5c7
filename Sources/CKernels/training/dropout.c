// Dropout, as tk_gradient.h states it.
#include "dispatch/kernel.h"

// Ten rounds over `counter` (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011); the same as Philox
// of AdapterFormat.
static void philox(uint32_t counter[4], uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; round++) {
    const uint64_t first = (uint64_t)0xD2511F53u * counter[0], second = (uint64_t)0xCD9E8D57u * counter[2];
    const uint32_t c0 = (uint32_t)(second >> 32) ^ counter[1] ^ k0, c2 = (uint32_t)(first >> 32) ^ counter[3] ^ k1;
    counter[0] = c0;
    counter[1] = (uint32_t)second;
    counter[2] = c2;
    counter[3] = (uint32_t)first;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

void tk_dropout(const tk_dropout_row *row, const float *x, float *y, size_t count, bool adds) {
  for (size_t first = 0; first < count; first += 8) {
    uint32_t words[4] = {(uint32_t)(first / 8) | row->module << 16, row->position, row->sequence, row->pass};
    philox(words, row->key[0], row->key[1]);
    const size_t end = count - first < 8 ? count - first : 8;
    for (size_t j = 0; j < end; j++) {
      const uint32_t number = words[j / 2] >> 16 * (j & 1) & 0xFFFF;
      const float value = number < row->threshold ? 0 : x[first + j] * row->factor;
      y[first + j] = adds ? y[first + j] + value : value;
    }
  }
}
