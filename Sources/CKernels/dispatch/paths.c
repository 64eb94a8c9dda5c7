// Lists the paths of instructions, and chooses one of them at first use.
#include "dispatch/kernel.h"

#include <stdatomic.h>
#include <stdio.h>

#include "dispatch/paths.h"

#define PATH(NAME, LINEAR, INT8, BF16, OTHERS, LIMITS)                                                               \
  {                                                                                                                  \
    NAME, &tk_linear_##LINEAR, &tk_int8_##INT8, &tk_bf16_##BF16, &tk_attention_##LINEAR, &tk_rows_##LINEAR,          \
        &tk_training_##LINEAR, &tk_blocks_##OTHERS, &tk_merge_##OTHERS, &tk_sampling_##OTHERS, &tk_limits_##LIMITS,  \
  }

const tk_path tk_path_portable = PATH("portable", portable, portable, portable, portable, portable);

static bool anywhere(void) { return true; }
#if defined(__x86_64__)
static bool has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
static bool has_avxvnni(void) { return has_avx2() && __builtin_cpu_supports("avxvnni"); }
static bool has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
static bool has_avx512vnni(void) { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
static bool has_avx512bf16(void) { return has_avx512vnni() && __builtin_cpu_supports("avx512bf16"); }
#endif

// Best first. Those of one name differ in what multiplies four bytes at once, or two bf16.
static const struct candidate {
  bool (*is_supported)(void);
  tk_path path;
} candidates[] = {
#if defined(__x86_64__)
    {has_avx512bf16, PATH("avx512", avx512, avx512vnni, avx512, avx2, avx512)},
    {has_avx512vnni, PATH("avx512", avx512, avx512vnni, avx2, avx2, avx512)},
    {has_avx512, PATH("avx512", avx512, avx2, avx2, avx2, avx512)},
    {has_avxvnni, PATH("avxvnni", avx2, avxvnni, avx2, avx2, avx2)},
    {has_avx2, PATH("avx2", avx2, avx2, avx2, avx2, avx2)},
#elif defined(__aarch64__)
    {anywhere, PATH("neon", neon, neon, portable, portable, neon)},
#endif
    {anywhere, PATH("portable", portable, portable, portable, portable, portable)},
};
enum { CANDIDATES = sizeof candidates / sizeof *candidates };

// Whether a candidate's bits are right on this very processor: the order within vdpbf16ps, for one, is a young promise.
static bool is_right(size_t candidate) {
  enum { UNKNOWN, RIGHT, WRONG };
  static _Atomic uint8_t verdicts[CANDIDATES];
  const tk_path *path = &candidates[candidate].path;
  if (path->linear == &tk_linear_portable) return true;
  uint8_t verdict = atomic_load(&verdicts[candidate]);
  if (verdict == UNKNOWN) {
    verdict = tk_path_agrees(path) ? RIGHT : WRONG;
    // Two threads may have tested it: one of them tells.
    if (atomic_exchange(&verdicts[candidate], verdict) == UNKNOWN && verdict == WRONG)
      fprintf(stderr, "tina: %s kernels failed their self-test here and are not used\n", path->name);
  }
  return verdict == RIGHT;
}

// The first path of that name that this processor has; null without one. With `agrees`, the first whose bits are right.
static const tk_path *find(const char *name, bool agrees) {
  for (size_t i = 0; i < CANDIDATES; i++)
    if (strcmp(candidates[i].path.name, name) == 0 && candidates[i].is_supported() && (!agrees || is_right(i)))
      return &candidates[i].path;
  return NULL;
}

static _Atomic(const tk_path *) chosen;
static atomic_bool forced;

const tk_path *tk_current(void) {
  const tk_path *path = atomic_load_explicit(&chosen, memory_order_acquire);
  if (path) return path;
  const char *wanted = getenv("TINA_ISA");
  path = wanted ? find(wanted, true) : NULL;
  if (wanted && !path)
    fprintf(stderr, "tina: TINA_ISA=%s is not available on this processor; choosing by itself\n", wanted);
  if (path) atomic_store(&forced, true);
  for (size_t i = 0; !path; i++)  // the last one is everywhere
    if (i == 0 || strcmp(candidates[i].path.name, candidates[i - 1].path.name) != 0)
      path = find(candidates[i].path.name, true);
  atomic_store_explicit(&chosen, path, memory_order_release);  // two threads would store the same
  return path;
}

const tk_path *tk_path_named(const char *name) {
  const tk_path *usual = tk_current();
  return strcmp(usual->name, name) == 0 ? usual : find(name, true);
}

const char *tk_isa(void) { return tk_current()->name; }

bool tk_isa_exists(const char *name) { return tk_path_named(name) != NULL; }

bool tk_isa_select(const char *name) {
  const tk_path *path = find(name, false);
  if (!path) return false;
  tk_paths_forget();
  atomic_store(&forced, true);
  atomic_store(&chosen, path);
  return true;
}

bool tk_paths_forced(void) {
  tk_current();  // reads TINA_ISA
  return atomic_load(&forced);
}

bool tk_bf16_is_fast(void) {
#if defined(__x86_64__)
  return tk_current()->bf16 == &tk_bf16_avx512;
#else
  return false;
#endif
}
