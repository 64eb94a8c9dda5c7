// Child processes that talk over three pipes, and that don't outlive their parent.
//
// Foundation's Process inherits descriptors, keeps SIGPIPE ignored in the child, and leaves children behind when the
// parent is killed.
#ifndef CHILD_H
#define CHILD_H

#include <stddef.h>
#include <sys/types.h>

#pragma clang assume_nonnull begin

/// A running child and this process's ends of its pipes. They don't block, and no other child inherits them.
typedef struct {
  pid_t process;
  int input;   // to its standard input
  int output;  // from its standard output
  int errors;  // from its standard error
} ch_child;

/// Starts a program with this process's environment; 0, or the number of the system's error, that of exec included.
///
/// The child leads a process group of its own, has no descriptors but its three pipes, no blocked signals, and each
/// signal's default action. On Linux the system kills it when this process ends, however that ends.
///
/// `arguments` begins with the program's name and ends with null.
int ch_start(const char *path, char *const _Nullable *_Nonnull arguments, ch_child *child);

/// Whether a child has ended. It stays known to the system until `ch_end`.
int ch_has_ended(pid_t process);

/// Kills what is left of a child's process group, and waits for the child.
///
/// Returns its exit code, or the number of the signal that ended it with a minus sign; 256 if nobody knows.
int ch_end(pid_t process);

/// As write, but a pipe that nobody reads is EPIPE and never SIGPIPE.
ssize_t ch_write(int descriptor, const void *bytes, size_t count);

#pragma clang assume_nonnull end

#endif
