// Reads of mapped files that outlive the files' ends.
//
// When a program shortens a mapped file, or a disk fails, a read of the lost part raises SIGBUS, which ends the
// process. This guard puts zeros in the place of the lost part and notes which file it was. The reader asks afterwards.
#ifndef MAPGUARD_H
#define MAPGUARD_H

#include <stdbool.h>
#include <stddef.h>

#pragma clang assume_nonnull begin

/// A mapped file that is watched.
typedef struct mg_file mg_file;

/// Watches the mapped pages from `start` on; null if there is no memory for it. The first call takes over SIGBUS;
/// signals that are no watched file's go to whoever handled them before.
mg_file *_Nullable mg_watch(const void *start, size_t length);

/// Ends the watch. Call it before the pages are unmapped.
void mg_unwatch(mg_file *file);

/// Whether some of the pages were lost since the watch began.
bool mg_is_torn(const mg_file *file);

#pragma clang assume_nonnull end

#endif
