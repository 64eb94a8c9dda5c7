// The kernels in isolation, each as a share of what this processor can do at all.
//
//   Benchmarks/kernels/run.sh [isa] [threads] [part] [weights,...] [inputs,...]
//
// Weights are read from memory that is larger than the caches, in turn, as a model's layers are. The best of several
// calls counts. The limits (plain reads; multiply-adds on registers) are measured in the same run, by the same clock.
#include <time.h>

#include "parts/parts.h"

tk_pool *pool;
size_t threads = 1;
struct limits limits;
static char *memory;
static size_t cursor;
#define MEMORY ((size_t)512 << 20)

double now(void) {
  struct timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *cold(size_t bytes) {
  if (cursor + bytes + 32 > MEMORY) cursor = 0;
  const char *p = memory + cursor + 32;
  cursor += (bytes + 32 + 4095) & ~(size_t)4095;
  return p;
}

float *floats(size_t count) {
  float *p = aligned_alloc(64, (count * sizeof(float) + 63) & ~(size_t)63);
  for (size_t i = 0; i < count; i++) p[i] = (float)((i * 2654435761u) % 2001) / 1000.0f - 1.0f;
  return p;
}

void measure_limits(bool fresh) {
  if (fresh) limits = (struct limits){0};
  for (int i = 0; i < (fresh ? 4 : 1); i++) {
    double t = now();
    const double f32 = tk_limits_fma(pool, 500), after_f32 = now();
    const double bf16 = tk_limits_bf16(pool, 1000), after_bf16 = now();
    const double bytes = tk_limits_bytes(pool, 2000), after_bytes = now();
    tk_limits_read(pool, cold(MEMORY / 4) - 32, MEMORY / 4);
    limits.f32 = fmax(limits.f32, f32 / (after_f32 - t));
    limits.bf16 = fmax(limits.bf16, bf16 / (after_bf16 - after_f32));
    limits.bytes = fmax(limits.bytes, bytes / (after_bytes - after_bf16));
    limits.reads = fmax(limits.reads, (double)(MEMORY / 4) / (now() - after_bytes));
  }
}

// A colon parts the weights from what inputs are rounded to.
static const weights all[] = {
    {"f32", TK_F32, TK_ACTIVATIONS_F32},        {"f16", TK_F16, TK_ACTIVATIONS_F32},
    {"bf16", TK_BF16, TK_ACTIVATIONS_F32},      {"bf16:bf16", TK_BF16, TK_ACTIVATIONS_BF16},
    {"q8_0", TK_Q8_0, TK_ACTIVATIONS_INT8},     {"q4_0", TK_Q4_0, TK_ACTIVATIONS_INT8},
    {"q4_k", TK_Q4_K, TK_ACTIVATIONS_INT8},     {"q5_k", TK_Q5_K, TK_ACTIVATIONS_INT8},
    {"q6_k", TK_Q6_K, TK_ACTIVATIONS_INT8},     {"q5_0", TK_Q5_0, TK_ACTIVATIONS_INT8},
    {"q5_1", TK_Q5_1, TK_ACTIVATIONS_INT8},
#if __has_include("linear/int8/rows.inc")  // kernels that know this type
    {"q4_1", TK_Q4_1, TK_ACTIVATIONS_INT8},
#endif
};

static bool is_in(const char *list, const char *name) {
  const size_t length = strlen(name);
  for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
    if (strncmp(p, name, length) == 0 && (p[length] == ',' || p[length] == 0)) return true;
  return false;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "best") != 0 && !tk_isa_select(argv[1])) {
    fprintf(stderr, "kernels: this processor has no %s\n", argv[1]);
    return 1;
  }
  threads = argc > 2 ? (size_t)atoi(argv[2]) : 1;
  const char *part = argc > 3 ? argv[3] : "linear", *wanted = argc > 4 ? argv[4] : "all";
  size_t counts[64], count = 0;
  for (char *p = argc > 5 ? argv[5] : "1,2,4,8,16,32,512"; *p && count < 64; p += *p == ',')
    counts[count++] = strtoul(p, &p, 10);
  pool = tk_pool_create(threads);
  memory = aligned_alloc(1 << 21, MEMORY);
  // As scales of any type these bytes are small numbers, neither infinite nor denormal.
  for (size_t i = 0; i < MEMORY; i++) memory[i] = (char)(0x24 + (i * 40503u >> 7) % 12);

  measure_limits(true);
  printf("%s, %zu threads: reads %.1f GB/s; float32 %.0f, bf16 %.0f GFLOP/s; bytes %.0f G operations/s\n", tk_isa(),
         threads, limits.reads * 1e-9, limits.f32 * 1e-9, limits.bf16 * 1e-9, limits.bytes * 1e-9);
  if (strcmp(part, "attention") == 0) measure_attention();
  if (strcmp(part, "linear") == 0)
    printf("\n| weights | inputs | 1536 x 1536 | 8960 x 1536 | 1536 x 8960 | of reads | of arithmetic | "
           "of the larger limit |\n|---|---|---|---|---|---|---|---|\n");
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (strcmp(wanted, "all") != 0 && !is_in(wanted, all[i].name)) continue;
    if (strcmp(part, "linear") == 0) measure_linear(all[i], counts, count);
    if (strcmp(part, "adapters") == 0) measure_adapters(all[i]);
    if (strcmp(part, "step") == 0) measure_steps(all[i]);
  }
  tk_pool_destroy(pool);
}
