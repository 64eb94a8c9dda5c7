// The path of instructions in use.
#ifndef TK_ISA_H
#define TK_ISA_H

#include "tk_types.h"

// The path in use: "avx512", "avxvnni", "avx2", "neon" or "portable".
const char *_Nonnull tk_isa(void);
// Chooses a path by name; false when it is unknown or this processor lacks it. For tests; call it
// while no other kernel runs. The best path is chosen by itself at first use; TINA_ISA overrides.
bool tk_isa_select(const char *_Nonnull name);

#endif
