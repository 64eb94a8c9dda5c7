// From what the program was built.
#ifndef CBUILD_H
#define CBUILD_H

/// The commit, with "+changed" behind it where files differed from it; empty if nobody told the build.
const char *_Nonnull cb_commit(void);

#endif
