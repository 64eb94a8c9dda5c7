#include "cmpi.h"

#include <dlfcn.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The part of Open MPI's interface that is used here. Handles are addresses; its numbers are the same in 4 and 5.
typedef struct handle *handle;
enum { THREAD_SERIALIZED = 2, LONGEST_TEXT = 256 };
#define IN_PLACE ((void *)1)

static struct {
  bool is_started;
  int rank, size;
  handle world, bytes, floats;
  int (*init_thread)(int *count, char ***words, int wanted, int *provided);
  int (*comm_rank)(handle comm, int *rank);
  int (*comm_size)(handle comm, int *size);
  int (*comm_set_errhandler)(handle comm, handle errors);
  int (*iallgatherv)(const void *mine, int count, handle type, void *all, const int *counts, const int *places,
                     handle all_type, handle comm, handle *request);
  int (*ialltoallv)(const void *mine, const int *counts, const int *places, handle type, void *all,
                    const int *all_counts, const int *all_places, handle all_type, handle comm, handle *request);
  int (*ibcast)(void *memory, int count, handle type, int root, handle comm, handle *request);
  int (*test)(handle *request, int *is_done, void *status);
  int (*error_string)(int code, char *text, int *length);
  int (*get_library_version)(char *text, int *length);
  int (*abort)(handle comm, int code);
  int (*finalize)(void);
  unsigned long long sent;
  double seconds;
  float *scratch;  // parts of all processes for one block
  int *counts;     // four arrays of `size`
} mpi;

// Numbers of a sum that travel at once: they bound the memory of an exchange.
#define BLOCK ((size_t)1 << 22)
// Where slices begin, in floats.
#define ALIGNED 16

static char failure[2 * LONGEST_TEXT];

#define FIND(field, name)                                                           \
  do {                                                                              \
    void *symbol = dlsym(library, name);                                            \
    if (!symbol) {                                                                  \
      snprintf(failure, sizeof failure, "a libmpi.so.40 without %s", name);         \
      return failure;                                                               \
    }                                                                               \
    memcpy(&mpi.field, &symbol, sizeof symbol);                                     \
  } while (0)

const char *cm_error(int code) {
  static char text[LONGEST_TEXT + 1];
  int length = 0;
  if (code == INT_MAX) return "out of memory";
  if (!mpi.error_string || mpi.error_string(code, text, &length)) snprintf(text, sizeof text, "MPI error %d", code);
  return text;
}

const char *cm_library(void) {
  static char text[8 * LONGEST_TEXT];
  int length = 0;
  if (!mpi.is_started || mpi.get_library_version(text, &length)) return "";
  text[strcspn(text, ",\n")] = 0;
  return text;
}

const char *cm_start(void) {
  // Its handlers of SIGSEGV and SIGBUS would take the place of ours.
  setenv("OMPI_MCA_opal_signal", "", 0);
#if defined(__APPLE__)
  const char *const name = "libmpi.40.dylib";
#else
  const char *const name = "libmpi.so.40";
#endif
  // Global: its plugins look for its symbols.
  void *library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
  if (!library) {
    const char *why = dlerror();
    snprintf(failure, sizeof failure, "%.*s", LONGEST_TEXT, why ? why : name);
    return failure;
  }
  FIND(world, "ompi_mpi_comm_world");
  FIND(bytes, "ompi_mpi_byte");
  FIND(floats, "ompi_mpi_float");
  FIND(init_thread, "MPI_Init_thread");
  FIND(comm_rank, "MPI_Comm_rank");
  FIND(comm_size, "MPI_Comm_size");
  FIND(comm_set_errhandler, "MPI_Comm_set_errhandler");
  FIND(iallgatherv, "MPI_Iallgatherv");
  FIND(ialltoallv, "MPI_Ialltoallv");
  FIND(ibcast, "MPI_Ibcast");
  FIND(test, "MPI_Test");
  FIND(error_string, "MPI_Error_string");
  FIND(get_library_version, "MPI_Get_library_version");
  FIND(abort, "MPI_Abort");
  FIND(finalize, "MPI_Finalize");
  void *errors_return = dlsym(library, "ompi_mpi_errors_return");
  int provided = 0;
  int code = mpi.init_thread(NULL, NULL, THREAD_SERIALIZED, &provided);
  if (code) return cm_error(code);
  if (provided < THREAD_SERIALIZED) return "an Open MPI without threads";
  if (errors_return) mpi.comm_set_errhandler(mpi.world, errors_return);
  if ((code = mpi.comm_rank(mpi.world, &mpi.rank)) || (code = mpi.comm_size(mpi.world, &mpi.size)))
    return cm_error(code);
  mpi.counts = calloc(4 * (size_t)mpi.size, sizeof *mpi.counts);
  mpi.scratch = malloc((BLOCK + 2 * ALIGNED * (size_t)mpi.size) * sizeof *mpi.scratch);
  if (!mpi.counts || !mpi.scratch) return "no memory for exchanges";
  mpi.is_started = true;
  return NULL;
}

int cm_rank(void) { return mpi.rank; }
int cm_size(void) { return mpi.size; }
unsigned long long cm_sent_bytes(void) { return mpi.sent; }
double cm_seconds(void) { return mpi.seconds; }

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Waits for a request. MPI's own waiting takes a whole processor, which a process beside this one may need.
static int finish(int code, handle request, double start) {
  for (int turns = 0, is_done = 0; !code && !is_done; turns++) {
    code = mpi.test(&request, &is_done, NULL);
    if (turns < 1000) {
      sched_yield();
    } else {
      const struct timespec pause = {0, turns < 10000 ? 50000 : 500000};
      nanosleep(&pause, NULL);
    }
  }
  mpi.seconds += now() - start;
  return code;
}

static int gather_bytes(const void *mine, const int *sizes, void *all) {
  int *const places = mpi.counts;
  for (int r = 0, next = 0; r < mpi.size; next += sizes[r], r++) places[r] = next;
  handle request = NULL;
  const double start = now();
  const int code = mpi.iallgatherv(mine, sizes[mpi.rank], mpi.bytes, all, sizes, places, mpi.bytes, mpi.world,
                                   &request);
  mpi.sent += (unsigned long long)sizes[mpi.rank] * (unsigned long long)(mpi.size - 1);
  return finish(code, request, start);
}

int cm_gather_word(unsigned long long mine, unsigned long long *values) {
  int *const sizes = mpi.counts + mpi.size;
  for (int r = 0; r < mpi.size; r++) sizes[r] = sizeof mine;
  return gather_bytes(&mine, sizes, values);
}

int cm_gather(const void *mine, const int *sizes, void *all) {
  char nothing = 0;
  return gather_bytes(mine ? mine : &nothing, sizes, all ? all : &nothing);
}

int cm_spread(void *memory, size_t size) {
  for (size_t done = 0; done < size; done += BLOCK) {
    const size_t count = size - done < BLOCK ? size - done : BLOCK;
    handle request = NULL;
    const double start = now();
    int code = mpi.ibcast((char *)memory + done, (int)count, mpi.bytes, 0, mpi.world, &request);
    code = finish(code, request, start);
    if (code) return code;
    if (mpi.rank == 0) mpi.sent += count * (unsigned long long)(mpi.size - 1);
  }
  return 0;
}

// The slice of a block that a process sums: from `slice` on, numbers behind the block's end left out.
static size_t slice(int rank, size_t count) {
  const size_t width = ((count + (size_t)mpi.size - 1) / (size_t)mpi.size + ALIGNED - 1) & ~(size_t)(ALIGNED - 1);
  const size_t start = (size_t)rank * width;
  return start < count ? start : count;
}

int cm_add(const float *part, int parts, float *sum, size_t total) {
  int *const counts = mpi.counts, *const places = counts + mpi.size;
  int *const in_counts = places + mpi.size, *const in_places = in_counts + mpi.size;
  for (size_t start = 0; start < total; start += BLOCK) {
    const size_t count = total - start < BLOCK ? total - start : BLOCK;
    const size_t first = slice(mpi.rank, count), width = slice(mpi.rank + 1, count) - first;
    for (int r = 0; r < mpi.size; r++) {
      places[r] = (int)slice(r, count);
      counts[r] = mpi.rank < parts ? (int)slice(r + 1, count) - places[r] : 0;
      in_places[r] = r < parts ? (int)width * r : 0;
      in_counts[r] = r < parts ? (int)width : 0;
    }
    handle request = NULL;
    const double time = now();
    int code = mpi.ialltoallv(part + start, counts, places, mpi.floats, mpi.scratch, in_counts, in_places, mpi.floats,
                              mpi.world, &request);
    if ((code = finish(code, request, time))) return code;
    if (mpi.rank < parts) mpi.sent += (count - width) * sizeof *part;
    float *const to = sum + start + first;
    for (int r = 0; r < parts; r++) {
      const float *const from = mpi.scratch + width * (size_t)r;
      for (size_t i = 0; i < width; i++) to[i] += from[i];
    }
  }
  return 0;
}

int cm_complete(float *sum, size_t total) {
  int *const counts = mpi.counts, *const places = counts + mpi.size;
  for (size_t start = 0; start < total; start += BLOCK) {
    const size_t count = total - start < BLOCK ? total - start : BLOCK;
    for (int r = 0; r < mpi.size; r++) {
      places[r] = (int)slice(r, count);
      counts[r] = (int)slice(r + 1, count) - places[r];
    }
    handle request = NULL;
    const double time = now();
    int code = mpi.iallgatherv(IN_PLACE, 0, mpi.floats, sum + start, counts, places, mpi.floats, mpi.world, &request);
    if ((code = finish(code, request, time))) return code;
    mpi.sent += (unsigned long long)counts[mpi.rank] * sizeof *sum * (unsigned long long)(mpi.size - 1);
  }
  return 0;
}

void cm_abort(int code) {
  if (mpi.is_started) mpi.abort(mpi.world, code);
}

void cm_finish(void) {
  if (mpi.is_started) mpi.finalize();
  mpi.is_started = false;
}
