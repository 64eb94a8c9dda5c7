// What the processes of one run say to each other, through the system's Open MPI.
//
// Open MPI is opened when a launcher has started this process, not linked. A program that runs alone does not load it
// and its twenty libraries, and building needs no package. Handles are those of Open MPI (`ompi_mpi_comm_world`); other
// implementations have others.
//
// Every function but cm_start, cm_error and cm_abort is called by all processes in the same order, by one thread at a
// time. All but those return 0, or a code that cm_error tells in words. While a process waits it sleeps: others on the
// same processors go on.
#ifndef CMPI_H
#define CMPI_H

#include <stddef.h>

#pragma clang assume_nonnull begin

/// Opens Open MPI and joins the other processes.
///
/// - Returns: null, or why that failed.
const char *_Nullable cm_start(void);

/// This process's number, and how many there are.
int cm_rank(void);
int cm_size(void);

/// What MPI calls a code.
const char *cm_error(int code);

/// What the library calls itself.
const char *cm_library(void);

/// Writes 64 bits of each process into `values`, in the order of their ranks.
int cm_gather_word(unsigned long long mine, unsigned long long *values);

/// Writes the bytes of all processes into `all`, one behind the other. `sizes` has the number of each process.
int cm_gather(const void *_Nullable mine, const int *sizes, void *_Nullable all);

/// Replaces memory by the first process's.
int cm_spread(void *memory, size_t size);

/// Adds the parts of the first `parts` processes to a sum, one after another in the order of their ranks.
///
/// Until cm_complete each process holds the sums of a share of the numbers: what it has of the others is meaningless.
/// A process whose rank is `parts` or more gives nothing.
int cm_add(const float *part, int parts, float *sum, size_t count);

/// Gives every process all numbers of a sum.
int cm_complete(float *sum, size_t count);

/// Bytes that this process has sent to others so far, and seconds in exchanges.
unsigned long long cm_sent_bytes(void);
double cm_seconds(void);

/// Ends all processes at once.
void cm_abort(int code);

/// Leaves, together with all others. Nothing may be said afterwards.
void cm_finish(void);

#pragma clang assume_nonnull end

#endif
