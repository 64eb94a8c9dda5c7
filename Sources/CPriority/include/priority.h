// The priority that the program was started with, kept.
//
// On Linux, libdispatch gives each of its threads a nice value of its own, 0 for most. A process that may raise
// priorities, as root may, would so leave the value that `nice` gave it, and so would the programs that it starts.
#ifndef PRIORITY_H
#define PRIORITY_H

/// Gives up the right to raise priorities, for this thread and those that it starts, where the process was started
/// with a lower one than usual. Programs that it starts may raise theirs again. Call it before there are other threads.
void pr_keep(void);

#endif
