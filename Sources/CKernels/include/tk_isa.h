// The path of instructions in use.
#ifndef TK_ISA_H
#define TK_ISA_H

#include "tk_types.h"

// The path in use: "avx512", "avxvnni", "avx2", "neon" or "portable".
const char *_Nonnull tk_isa(void);
// Chooses a path by name, for tests; false when it is unknown or this processor lacks it. No kernel may run meanwhile.
// Without it, the first use of a kernel chooses the path: TINA_ISA if that is set, else the best one.
bool tk_isa_select(const char *_Nonnull name);
// Whether this processor has the path of that name, and gives the right bits with it.
bool tk_isa_exists(const char *_Nonnull name);

#endif
