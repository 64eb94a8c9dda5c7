// What sigaction and MAP_ANONYMOUS need where the compiler is asked for plain C.
#define _GNU_SOURCE 1

#include "mapguard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

// The handler walks the list without a lock: entries are used again, and never freed.
struct mg_file {
  _Atomic uintptr_t start; // 0: not in use
  _Atomic uintptr_t end;
  atomic_bool torn;
  struct mg_file *next;
};

static _Atomic(struct mg_file *) first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous;
static uintptr_t page_size;
static bool is_installed;

static void pass_on(int number, siginfo_t *info, void *context) {
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(number, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(number);
  } else {
    // The read that failed is tried again after this returns, and then ends the process; a sent signal is sent again.
    signal(number, SIG_DFL);
    if (info->si_code <= 0) raise(number);
  }
}

static void handle(int number, siginfo_t *info, void *context) {
  int error = errno;
  uintptr_t address = (uintptr_t)info->si_addr;
  if (info->si_code > 0) {
    for (struct mg_file *file = atomic_load(&first); file; file = file->next) {
      uintptr_t start = atomic_load(&file->start), end = atomic_load(&file->end);
      if (start == 0 || address < start || address >= end) continue;
      // What lies behind a lost page is lost with it: one map serves all later reads.
      uintptr_t page = address & ~(page_size - 1);
      void *zeros = mmap((void *)page, end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      if (zeros == MAP_FAILED) break;
      atomic_store(&file->torn, true);
      errno = error;
      return;
    }
  }
  pass_on(number, info, context);
  errno = error;
}

static void install(void) {
  if (is_installed) return;
  page_size = (uintptr_t)getpagesize();
  struct sigaction action = {0};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  is_installed = sigaction(SIGBUS, &action, &previous) == 0;
}

mg_file *mg_watch(const void *start, size_t length) {
  pthread_mutex_lock(&lock);
  install();
  struct mg_file *file = atomic_load(&first);
  while (file && atomic_load(&file->start) != 0) file = file->next;
  bool is_new = !file;
  if (is_new) {
    file = calloc(1, sizeof *file);
    if (file) file->next = atomic_load(&first);
  }
  if (file) {
    atomic_store(&file->torn, false);
    atomic_store(&file->end, ((uintptr_t)start + length + page_size - 1) & ~(page_size - 1));
    atomic_store(&file->start, (uintptr_t)start);
    if (is_new) atomic_store(&first, file);
  }
  pthread_mutex_unlock(&lock);
  return file;
}

void mg_unwatch(mg_file *file) { atomic_store(&file->start, 0); }

bool mg_is_torn(const mg_file *file) { return atomic_load(&((struct mg_file *)file)->torn); }
