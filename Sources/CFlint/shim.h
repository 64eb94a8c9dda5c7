// FLINT 3 holds Arb; beside FLINT 2 it is a library of its own, with its headers outside FLINT's folder.
#if __has_include(<flint/acb.h>)
#include <flint/acb.h>
#else
#include <acb.h>
#endif
#include <flint/fmpq.h>
