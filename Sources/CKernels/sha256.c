// SHA-256 of two runs of bytes side by side. The instruction of two rounds takes four cycles, and another can begin after
// two: two independent hashes take hardly longer than one.
#include "tk_sha256.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// The eight words as the instructions want them: a, b, e, f and c, d, g, h, the first in the highest place.
typedef struct {
  __m128i abef, cdgh;
} hash;

#pragma clang attribute push(__attribute__((target("sha,sse4.1"))), apply_to = function)

static hash beginning(void) {
  return (hash){_mm_setr_epi32(0x9b05688c, 0x510e527f, (int)0xbb67ae85, 0x6a09e667),
                _mm_setr_epi32(0x5be0cd19, 0x1f83d9ab, (int)0xa54ff53a, 0x3c6ef372)};
}

// Takes blocks of 64 bytes into `streams` hashes, as many into each.
static inline __attribute__((always_inline)) void take(hash *states, const uint8_t *const *data, size_t blocks,
                                                       const int streams) {
  const __m128i big_endian = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
  hash state[2], before[2];
  const uint8_t *p[2];
  for (int s = 0; s < streams; s++) {
    state[s] = states[s];
    p[s] = data[s];
  }
  for (; blocks; blocks--) {
    __m128i words[2][4];
    for (int s = 0; s < streams; s++) before[s] = state[s];
#pragma clang loop unroll(full)
    for (int g = 0; g < 16; g++) {  // four rounds each
      const __m128i k = _mm_loadu_si128((const __m128i *)(constants + 4 * g));
      for (int s = 0; s < streams; s++) {
        __m128i *w = words[s];
        if (g < 4) w[g] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p[s] + 16 * g)), big_endian);
        __m128i sum = _mm_add_epi32(w[g & 3], k);
        state[s].cdgh = _mm_sha256rnds2_epu32(state[s].cdgh, state[s].abef, sum);
        state[s].abef = _mm_sha256rnds2_epu32(state[s].abef, state[s].cdgh, _mm_shuffle_epi32(sum, 0x0e));
        if (g >= 3 && g < 15) {  // the four words that the next rounds add
          const __m128i older = _mm_alignr_epi8(w[g & 3], w[(g + 3) & 3], 4);
          const __m128i mixed = _mm_sha256msg1_epu32(w[(g + 1) & 3], w[(g + 2) & 3]);
          w[(g + 1) & 3] = _mm_sha256msg2_epu32(_mm_add_epi32(mixed, older), w[g & 3]);
        }
      }
    }
    for (int s = 0; s < streams; s++) {
      state[s].abef = _mm_add_epi32(state[s].abef, before[s].abef);
      state[s].cdgh = _mm_add_epi32(state[s].cdgh, before[s].cdgh);
      p[s] += 64;
    }
  }
  for (int s = 0; s < streams; s++) states[s] = state[s];
}

// The rest of a run of `count` bytes, of which `done` are taken, its padding, and the hash in bytes.
static void finish(hash state, const uint8_t *data, size_t done, size_t count, uint8_t *out) {
  const uint8_t *rest = data + done;
  take(&state, &rest, (count - done) / 64, 1);
  uint8_t end[128] = {0};
  const size_t left = count % 64, size = left < 56 ? 64 : 128;
  if (left) memcpy(end, data + count - left, left);
  end[left] = 0x80;
  for (int i = 0; i < 8; i++) end[size - 1 - i] = (uint8_t)((uint64_t)count * 8 >> 8 * i);
  const uint8_t *last = end;
  take(&state, &last, size / 64, 1);
  uint32_t abef[4], cdgh[4];
  _mm_storeu_si128((__m128i *)abef, state.abef);
  _mm_storeu_si128((__m128i *)cdgh, state.cdgh);
  const uint32_t words[8] = {abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};
  for (int i = 0; i < 32; i++) out[i] = (uint8_t)(words[i / 4] >> (24 - 8 * (i % 4)));
}

static void pair(const uint8_t *first, size_t first_count, const uint8_t *second, size_t second_count, uint8_t *hashes) {
  hash states[2] = {beginning(), beginning()};
  const uint8_t *const data[2] = {first, second};
  const size_t blocks = (first_count < second_count ? first_count : second_count) / 64;
  take(states, data, blocks, 2);
  finish(states[0], first, blocks * 64, first_count, hashes);
  finish(states[1], second, blocks * 64, second_count, hashes + 32);
}
#pragma clang attribute pop

bool tk_sha256_pair(const void *first, size_t first_count, const void *second, size_t second_count, uint8_t *hashes) {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b >> 29 & 1)) return false;  // SHA
  if (!__builtin_cpu_supports("sse4.1")) return false;
  pair(first, first_count, second, second_count, hashes);
  return true;
}
#else
bool tk_sha256_pair(const void *first, size_t first_count, const void *second, size_t second_count, uint8_t *hashes) {
  (void)first, (void)first_count, (void)second, (void)second_count, (void)hashes;
  return false;
}
#endif
