#include "cregex.h"

#include <re2/re2.h>

#include <cstdio>
#include <string>

struct tr_pattern {
  RE2 expression;
};

tr_pattern *tr_pattern_new(const char *pattern, size_t length, size_t memory, char *reason, size_t size) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_never_capture(true);
  options.set_max_mem(static_cast<int64_t>(memory));
  auto *made = new tr_pattern{RE2(std::string(pattern, length), options)};
  if (made->expression.ok()) return made;
  std::snprintf(reason, size, "%s", made->expression.error().c_str());
  delete made;
  return nullptr;
}

bool tr_pattern_matches(const tr_pattern *pattern, const char *text, size_t length) {
  return RE2::FullMatch(std::string(text, length), pattern->expression);
}

void tr_pattern_free(tr_pattern *pattern) { delete pattern; }
