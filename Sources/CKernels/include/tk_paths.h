// Which path of instructions each kind of kernel takes. All paths give the same bits, so only time decides.
#ifndef TK_PATHS_API_H
#define TK_PATHS_API_H

#include "tk_types.h"

// Kinds of kernels that choose for themselves. All others take the usual path, tk_isa().
enum {
  TK_KIND_LINEAR = 0,      // + the weights' tk_type; block-quantised weights against eight bits
  TK_KIND_BF16 = 16,       // BF16 weights against inputs rounded to bf16
  TK_KIND_ATTENTION = 17,  // + the cache's tk_type
  TK_KINDS = 20,
};
// How many inputs come together: one, two to four, more.
enum { TK_SIZES = 3 };

// Measures `count` kinds for at most about `seconds`, self-tests not counted, each with every path that passes its
// self-test here. The usual path stays where no other is 10 % faster, twice. Returns the seconds that it took. Does
// nothing for kinds chosen already, nor where a path is forced.
double tk_paths_measure(const uint8_t *_Nonnull kinds, size_t count, double seconds);
// Whether a path was named for all kernels, by TINA_ISA or tk_isa_select.
bool tk_paths_forced(void);
// The path that a kind takes.
const char *_Nonnull tk_paths_name(size_t kind, size_t size);
// Whether it was chosen, by measurement or by name.
bool tk_paths_is_chosen(size_t kind, size_t size);
// Chooses by name; false for a path that this processor lacks or whose bits are wrong here, and where one is forced.
bool tk_paths_choose(size_t kind, size_t size, const char *_Nonnull name);

// Whether one instruction multiplies pairs of bf16 here, and its bits are right: rounding activations to bf16 then
// saves time. Elsewhere it costs some.
bool tk_bf16_is_fast(void);

#endif
