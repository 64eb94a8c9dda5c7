// Runs one kernel under its own eyes: prints the address of every instruction that a call executes, for llvm-mca.
//
//   trace KERNEL TYPE INPUTS ROWS COLUMNS LENGTHS    addresses, one a line
//   trace KERNEL TYPE INPUTS ROWS COLUMNS            cycles of the call from the cache; 0 where it can't run
//
// LENGTHS has "address length" of each instruction. One that this processor lacks is written down and passed over: what
// kernels compute does not decide where they go.
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dispatch/paths.h"

typedef void int8_kernel(const tk_linear_args *, const tk_q8 *, size_t, size_t, size_t, size_t, const void *);
#if __has_include("linear/int8/rows.inc")
#define INT8(NAME, TABLE) {"int8-" NAME, .i = &TABLE.panels}, {"rows-" NAME, .i = &TABLE.rows}
#else  // a checkout from before there were kernels for few inputs
#define INT8(NAME, TABLE) {"int8-" NAME, .i = &TABLE.linear}
#endif
static const struct {
  const char *name;
  const tk_linear_kernels *f;
  int8_kernel *const *i;
  const tk_bf16 *b;
} kernels[] = {
    {"f32-avx2", .f = &tk_linear_avx2}, {"f32-avx512", .f = &tk_linear_avx512},
    {"bf16-avx2", .b = &tk_bf16_avx2},  {"bf16-avx512", .b = &tk_bf16_avx512},
    INT8("avx2", tk_int8_avx2),         INT8("avxvnni", tk_int8_avxvnni),
    INT8("avx512vnni", tk_int8_avx512vnni),
};
static const struct { const char *name; tk_type type; } types[] = {
    {"f32", TK_F32}, {"f16", TK_F16}, {"bf16", TK_BF16}, {"q8_0", TK_Q8_0}, {"q4_0", TK_Q4_0}, {"q4_k", TK_Q4_K},
    {"q5_k", TK_Q5_K}, {"q6_k", TK_Q6_K}, {"q5_0", TK_Q5_0}, {"q5_1", TK_Q5_1},
#if __has_include("linear/int8/rows.inc")
    {"q4_1", TK_Q4_1},
#endif
};

static size_t kernel;
static tk_linear_args map;
static void *rounded;

__attribute__((noinline)) static void begins(void) { __asm__ volatile(""); }
__attribute__((noinline)) static void ends(void) { __asm__ volatile(""); }

static void call(void) {
  tk_gate gate = {0};
  if (kernels[kernel].f) kernels[kernel].f->linear(&map, 1, 0, map.rows, 0, map.n, map.weights, &gate);
  else if (kernels[kernel].i) (*kernels[kernel].i)(&map, rounded, 0, map.rows, 0, map.n, map.weights);
  else kernels[kernel].b->linear(&map, rounded, 0, map.rows, 0, map.n, map.weights);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// A chain of additions takes a cycle each.
static double cycles_a_second(void) {
  double best = 0;
  for (int i = 0; i < 20; i++) {
    uint64_t x = 1;
    double t = seconds();
    for (int k = 0; k < 100000; k++) __asm__ volatile("add %0, %0\nadd %0, %0\nadd %0, %0\nadd %0, %0\n" : "+r"(x));
    t = 400000 / (seconds() - t);
    best = t > best ? t : best;
  }
  return best;
}

static sigjmp_buf jump;
static void lacks(int signal) { (void)signal; siglongjmp(jump, 1); }

static int measure(void) {
  signal(SIGILL, lacks);
  if (sigsetjmp(jump, 1)) return puts("0"), 0;
  double best = 1;
  for (int i = 0; i < 3000; i++) {
    double t = seconds();
    call();
    t = seconds() - t;
    best = t < best ? t : best;
  }
  return printf("%.0f\n", best * cycles_a_second()), 0;
}

static int trace(const char *lengths_path) {
  static uint8_t lengths[1 << 24];
  FILE *file = fopen(lengths_path, "r");
  uint64_t first = 0, address;
  for (unsigned length; file && fscanf(file, "%" SCNx64 " %u", &address, &length) == 2;) {
    if (!first) first = address;
    if (address - first < sizeof lengths) lengths[address - first] = (uint8_t)length;
  }
  const pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    begins();
    call();
    ends();
    _exit(0);
  }
  int status, recording = 0;
  uint64_t before = 0;
  for (waitpid(child, &status, 0); WIFSTOPPED(status); waitpid(child, &status, 0)) {
    struct user_regs_struct r;
    ptrace(PTRACE_GETREGS, child, 0, &r);
    if (r.rip == (uint64_t)(uintptr_t)ends) break;
    if (WSTOPSIG(status) == SIGILL) {
      const uint8_t length = r.rip - first < sizeof lengths ? lengths[r.rip - first] : 0;
      if (!length) return fprintf(stderr, "trace: no length for the instruction at %" PRIx64 "\n", (uint64_t)r.rip), 1;
      r.rip += length;
      ptrace(PTRACE_SETREGS, child, 0, &r);
    }
    // One that repeats itself, or that did not run, is met twice.
    if (recording && r.rip != before) printf("%" PRIx64 "\n", (uint64_t)r.rip);
    if (r.rip == (uint64_t)(uintptr_t)begins) recording = 1;
    before = r.rip;
    ptrace(PTRACE_SINGLESTEP, child, 0, 0);
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return 0;
}

int main(int argc, char **argv) {
  size_t type = 0;
  while (kernel < sizeof kernels / sizeof *kernels && strcmp(kernels[kernel].name, argc > 5 ? argv[1] : "")) kernel++;
  while (type < sizeof types / sizeof *types && strcmp(types[type].name, argc > 5 ? argv[2] : "")) type++;
  if (kernel == sizeof kernels / sizeof *kernels || type == sizeof types / sizeof *types)
    return fprintf(stderr, "trace: KERNEL TYPE INPUTS ROWS COLUMNS [LENGTHS]\n"), 64;
  const size_t n = strtoul(argv[3], 0, 10), rows = strtoul(argv[4], 0, 10), columns = strtoul(argv[5], 0, 10);
  // Lines of memory, and pages touched: a first touch is no part of a kernel's time.
  const size_t bytes = (rows + 16) * columns * 4 + n * columns * 8 + (1 << 16);
  char *memory = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095);
  memset(memory, 0, bytes);
  map = (tk_linear_args){.weights = memory + 32, .type = types[type].type, .rows = rows, .columns = columns, .n = n,
                         .x_stride = columns, .y_stride = rows,
                         .activations = kernels[kernel].b ? TK_ACTIVATIONS_BF16 : kernels[kernel].i ? 0 : 1};
  map.x = aligned_alloc(64, (n * columns * 4 + 63) & ~(size_t)63);
  map.y = aligned_alloc(64, (n * rows * 4 + 63) & ~(size_t)63);
  rounded = aligned_alloc(64, n * columns * 4);
  memset((void *)map.x, 0, n * columns * 4);
  memset(map.y, 0, n * rows * 4);
  memset(rounded, 0, n * columns * 4);
  return argc > 6 ? trace(argv[6]) : measure();
}
