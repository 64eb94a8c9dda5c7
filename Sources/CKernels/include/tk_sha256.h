#ifndef TK_SHA256_H
#define TK_SHA256_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// SHA-256 of two runs of bytes side by side, into 2 x 32 bytes. Returns false, and does nothing, where the processor has
// no instructions for it or this program does not know them.
bool tk_sha256_pair(const void *first, size_t first_count, const void *second, size_t second_count, uint8_t *hashes);

#endif
