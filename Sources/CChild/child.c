// What vfork, pipe2 and the calls for signals need where the compiler is asked for plain C.
#define _GNU_SOURCE 1
#define _DARWIN_C_SOURCE 1

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

extern char **environ;

typedef struct {
  const char *path;
  char *const *arguments;
  ch_child *child;
  int code;
  bool is_done;
} request;

/// A pipe whose ends have numbers above those of the standard files, so that putting one in its place harms no other.
static int make_pipe(int ends[2]) {
  int made[2];
#ifdef __linux__
  if (pipe2(made, O_CLOEXEC) != 0) return errno;
#else
  if (pipe(made) != 0) return errno;
#endif
  int code = 0;
  for (int i = 0; i < 2; i++) {
    ends[i] = fcntl(made[i], F_DUPFD_CLOEXEC, 3);
    if (ends[i] < 0 && code == 0) code = errno;
    close(made[i]);
  }
  if (code != 0) {
    for (int i = 0; i < 2; i++) {
      if (ends[i] >= 0) close(ends[i]);
    }
  }
  return code;
}

/// Keeps every descriptor but the standard ones from the program that follows.
static void keep_descriptors_back(void) {
#if defined(__linux__) && defined(SYS_close_range)
  const unsigned int mark = 4; // CLOSE_RANGE_CLOEXEC, of Linux 5.11
  if (syscall(SYS_close_range, 3u, ~0u, mark) == 0) return;
#endif
  struct rlimit limit;
  long end = 65536;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t)end) end = (long)limit.rlim_cur;
  for (int descriptor = 3; descriptor < end; descriptor++) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

/// The child's part, which may share its parent's memory: nothing here allocates or locks.
__attribute__((noreturn, noinline)) static void become(
  const request *wanted, pid_t parent, const int standard[3], int status) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127); // it ended just now
#else
  (void)parent;
#endif
  setpgid(0, 0);
  int code = 0;
  for (int i = 0; i < 3 && code == 0; i++) {
    if (dup2(standard[i], i) < 0) code = errno;
  }
  if (code == 0) {
    keep_descriptors_back();
    struct sigaction action = {0};
    action.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; number++) sigaction(number, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(wanted->path, wanted->arguments, environ);
    code = errno;
  }
  ssize_t written = write(status, &code, sizeof code);
  (void)written;
  _exit(127);
}

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
/// vfork copies no page tables, which a process with a model in its memory has many of.
__attribute__((noinline)) static pid_t split(
  const request *wanted, pid_t parent, const int standard[3], int status) {
#ifdef __linux__
  pid_t process = vfork();
#else
  pid_t process = fork();
#endif
  if (process == 0) become(wanted, parent, standard, status);
  return process;
}
#pragma clang diagnostic pop

/// Starts the program; signals are blocked in this thread, so that no handler runs in the child.
static int start(const request *wanted) {
  int pipes[4][2]; // input, output, errors, and the number of an error before exec
  int made = 0;
  int code = 0;
  while (made < 4 && (code = make_pipe(pipes[made])) == 0) made++;
  if (code != 0) {
    for (int i = 0; i < made; i++) close(pipes[i][0]), close(pipes[i][1]);
    return code;
  }
  const int standard[3] = {pipes[0][0], pipes[1][1], pipes[2][1]};
  pid_t process = split(wanted, getpid(), standard, pipes[3][1]);
  if (process < 0) code = errno;
  for (int i = 0; i < 3; i++) close(standard[i]);
  close(pipes[3][1]);
  if (process > 0) {
    ssize_t count;
    do {
      count = read(pipes[3][0], &code, sizeof code);
    } while (count < 0 && errno == EINTR);
    if (count != (ssize_t)sizeof code) code = 0; // closed by exec
    if (code != 0) {
      while (waitpid(process, NULL, 0) < 0 && errno == EINTR) {
      }
    }
  }
  close(pipes[3][0]);
  const int mine[3] = {pipes[0][1], pipes[1][0], pipes[2][0]};
  for (int i = 0; i < 3; i++) {
    if (code != 0) {
      close(mine[i]);
    } else {
      fcntl(mine[i], F_SETFL, fcntl(mine[i], F_GETFL) | O_NONBLOCK);
    }
  }
  if (code == 0) *wanted->child = (ch_child){process, mine[0], mine[1], mine[2]};
  return code;
}

// The system kills children with the *thread* that started them: this one lives as long as the process.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static request *waiting;
static bool has_thread;

static void *start_children(void *unused) {
  pthread_mutex_lock(&lock);
  for (;;) {
    while (waiting == NULL) pthread_cond_wait(&changed, &lock);
    request *next = waiting;
    pthread_mutex_unlock(&lock);
    int code = start(next);
    pthread_mutex_lock(&lock);
    next->code = code;
    next->is_done = true;
    waiting = NULL;
    pthread_cond_broadcast(&changed);
  }
  return unused;
}

int ch_start(const char *path, char *const *arguments, ch_child *child) {
  request mine = {path, arguments, child, 0, false};
  pthread_mutex_lock(&lock);
  if (!has_thread) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int code = pthread_create(&thread, NULL, start_children, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) {
      pthread_mutex_unlock(&lock);
      return code;
    }
    pthread_detach(thread);
    has_thread = true;
  }
  while (waiting != NULL) pthread_cond_wait(&changed, &lock);
  waiting = &mine;
  pthread_cond_broadcast(&changed);
  while (!mine.is_done) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
  return mine.code;
}

int ch_has_ended(pid_t process) {
  siginfo_t info = {0};
  if (waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return errno == ECHILD;
  return info.si_pid == process;
}

int ch_end(pid_t process) {
  // Before the child is waited for: until then its number is nobody else's.
  kill(-process, SIGKILL);
  int status;
  pid_t found;
  do {
    found = waitpid(process, &status, 0);
  } while (found < 0 && errno == EINTR);
  if (found != process) return 256;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

ssize_t ch_write(int descriptor, const void *bytes, size_t count) {
  sigset_t pipe_signal, before, pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigpending(&pending);
  bool was_pending = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  ssize_t written = write(descriptor, bytes, count);
  int code = errno;
  if (written < 0 && code == EPIPE && !was_pending) {
    sigpending(&pending);
    int number;
    if (sigismember(&pending, SIGPIPE) == 1) sigwait(&pipe_signal, &number);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = code;
  return written;
}
