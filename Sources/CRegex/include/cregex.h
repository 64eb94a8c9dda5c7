// Regular expressions by RE2: time linear in the text, memory bounded. Patterns and texts are UTF-8.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tr_pattern tr_pattern;

// Compiles a pattern, for program and matching in `memory` bytes. NULL where RE2 refuses it: the reason is then in
// `reason`, cut to `size` bytes with the zero at its end.
tr_pattern *tr_pattern_new(const char *pattern, size_t length, size_t memory, char *reason, size_t size);

// Whether the whole text matches. Threads may share a pattern.
bool tr_pattern_matches(const tr_pattern *pattern, const char *text, size_t length);

void tr_pattern_free(tr_pattern *pattern);

#ifdef __cplusplus
}
#endif
