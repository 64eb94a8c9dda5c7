#include "ctransfer.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The part of libcurl's interface that is used here. Its numbers are the same in every release.
typedef void CURL;
struct curl_slist;
enum {
  OPTION_WRITEDATA = 10001,
  OPTION_URL = 10002,
  OPTION_ERRORBUFFER = 10010,
  OPTION_POSTFIELDS = 10015,
  OPTION_LOW_SPEED_LIMIT = 19,
  OPTION_LOW_SPEED_TIME = 20,
  OPTION_HTTPHEADER = 10023,
  OPTION_HEADERDATA = 10029,
  OPTION_CUSTOMREQUEST = 10036,
  OPTION_NOPROGRESS = 43,
  OPTION_FOLLOWLOCATION = 52,
  OPTION_XFERINFODATA = 10057,
  OPTION_CAINFO = 10065,
  OPTION_CONNECTTIMEOUT = 78,
  OPTION_BUFFERSIZE = 98,
  OPTION_NOSIGNAL = 99,
  OPTION_PROTOCOLS = 181,
  OPTION_TCP_KEEPALIVE = 213,
  OPTION_TCP_KEEPIDLE = 214,
  OPTION_TCP_KEEPINTVL = 215,
  OPTION_SUPPRESS_CONNECT_HEADERS = 265,
  OPTION_WRITEFUNCTION = 20011,
  OPTION_HEADERFUNCTION = 20079,
  OPTION_XFERINFOFUNCTION = 20219,
  OPTION_POSTFIELDSIZE_LARGE = 30120,
  PROTOCOL_HTTP = 1,
  PROTOCOL_HTTPS = 2,
  GLOBAL_DEFAULT = 3,
};

static struct {
  int is_loaded;
  int (*global_init)(long flags);
  CURL *(*easy_init)(void);
  int (*easy_setopt)(CURL *handle, int option, ...);
  int (*easy_perform)(CURL *handle);
  void (*easy_reset)(CURL *handle);
  void (*easy_cleanup)(CURL *handle);
  const char *(*easy_strerror)(int code);
  struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
  void (*slist_free_all)(struct curl_slist *list);
} curl;

static pthread_once_t once = PTHREAD_ONCE_INIT;

// A function's address as a function: ISO C has no cast from one to the other.
#define FIND(field, name)                                         \
  do {                                                            \
    void *symbol = dlsym(library, name);                          \
    if (!symbol) return;                                          \
    memcpy(&curl.field, &symbol, sizeof symbol);                  \
  } while (0)

static void load(void) {
  static const char *const names[] = {
#if defined(__APPLE__)
      "/usr/lib/libcurl.4.dylib",
#else
      "libcurl.so.4",
      "libcurl-gnutls.so.4",
#endif
  };
  void *library = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
    library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  FIND(global_init, "curl_global_init");
  FIND(easy_init, "curl_easy_init");
  FIND(easy_setopt, "curl_easy_setopt");
  FIND(easy_perform, "curl_easy_perform");
  FIND(easy_reset, "curl_easy_reset");
  FIND(easy_cleanup, "curl_easy_cleanup");
  FIND(easy_strerror, "curl_easy_strerror");
  FIND(slist_append, "curl_slist_append");
  FIND(slist_free_all, "curl_slist_free_all");
  curl.is_loaded = curl.global_init(GLOBAL_DEFAULT) == 0;
}

struct ct_connection {
  CURL *handle;
};

ct_connection *ct_open(void) {
  pthread_once(&once, load);
  if (!curl.is_loaded) return NULL;
  ct_connection *connection = malloc(sizeof *connection);
  if (!connection) return NULL;
  connection->handle = curl.easy_init();
  if (connection->handle) return connection;
  free(connection);
  return NULL;
}

void ct_close(ct_connection *connection) {
  curl.easy_cleanup(connection->handle);
  free(connection);
}

static size_t take_header(char *bytes, size_t size, size_t count, void *data) {
  const struct ct_request *request = data;
  return request->on_header(request->context, bytes, size * count) ? 0 : size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *data) {
  const struct ct_request *request = data;
  if (size * count == 0) return 0;  // an empty part is taken whole
  return request->on_body(request->context, bytes, size * count) ? 0 : size * count;
}

static int look_up(void *data, long long total, long long now, long long up_total, long long up_now) {
  (void)total, (void)now, (void)up_total, (void)up_now;
  const struct ct_request *request = data;
  return request->is_stopped(request->context);
}

static enum ct_code kind(int code) {
  switch (code) {
    case 0: return CT_OK;
    case 23:  // WRITE_ERROR: a callback took less than it was given
    case 42:  // ABORTED_BY_CALLBACK
      return CT_STOPPED;
    case 5: case 6: return CT_NO_HOST;
    case 7: return CT_NO_CONNECTION;
    case 16: case 18: case 28: case 52: case 55: case 56: case 65: case 92: return CT_BROKEN;
    case 35: case 58: case 59: case 60: case 77: case 83: case 90: case 91: return CT_UNTRUSTED;
    default: return CT_FAILED;
  }
}

struct ct_outcome ct_perform(ct_connection *connection, const struct ct_request *request) {
  struct ct_outcome outcome = {CT_FAILED, ""};
  struct curl_slist *headers = NULL;
  for (size_t i = 0; i < request->header_count; i++) {
    struct curl_slist *longer = curl.slist_append(headers, request->headers[i]);
    if (!longer) {
      curl.slist_free_all(headers);
      snprintf(outcome.message, sizeof outcome.message, "out of memory");
      return outcome;
    }
    headers = longer;
  }
  CURL *handle = connection->handle;
  curl.easy_reset(handle);
  int bad = 0;
#define SET(option, value) bad |= curl.easy_setopt(handle, option, value)
  SET(OPTION_ERRORBUFFER, outcome.message);
  SET(OPTION_URL, request->url);
  SET(OPTION_PROTOCOLS, (long)(PROTOCOL_HTTP | PROTOCOL_HTTPS));
  SET(OPTION_FOLLOWLOCATION, 0L);
  SET(OPTION_HTTPHEADER, headers);
  SET(OPTION_NOSIGNAL, 1L);
  SET(OPTION_SUPPRESS_CONNECT_HEADERS, 1L);
  SET(OPTION_CONNECTTIMEOUT, request->connect_seconds);
  if (request->idle_seconds) {
    SET(OPTION_LOW_SPEED_LIMIT, 1L);
    SET(OPTION_LOW_SPEED_TIME, request->idle_seconds);
  } else {
    SET(OPTION_TCP_KEEPALIVE, 1L);
    SET(OPTION_TCP_KEEPIDLE, 30L);
    SET(OPTION_TCP_KEEPINTVL, 10L);
  }
  if (request->body) {
    // The bytes are not copied.
    SET(OPTION_POSTFIELDSIZE_LARGE, (long long)request->body_count);
    SET(OPTION_POSTFIELDS, request->body);
  }
  if (request->method) SET(OPTION_CUSTOMREQUEST, request->method);
  SET(OPTION_HEADERFUNCTION, take_header);
  SET(OPTION_HEADERDATA, (void *)request);
  SET(OPTION_WRITEFUNCTION, take_body);
  SET(OPTION_WRITEDATA, (void *)request);
  SET(OPTION_XFERINFOFUNCTION, look_up);
  SET(OPTION_XFERINFODATA, (void *)request);
  SET(OPTION_NOPROGRESS, 0L);
  if (request->certificates) SET(OPTION_CAINFO, request->certificates);
  // The size is a wish, not a need.
  curl.easy_setopt(handle, OPTION_BUFFERSIZE, 256L * 1024);
#undef SET
  if (bad) {
    snprintf(outcome.message, sizeof outcome.message, "this libcurl lacks an option that is needed");
  } else {
    int code = curl.easy_perform(handle);
    outcome.code = kind(code);
    if (code && !outcome.message[0])
      snprintf(outcome.message, sizeof outcome.message, "%s", curl.easy_strerror(code));
  }
  // The buffer for errors is this call's own.
  curl.easy_reset(handle);
  curl.slist_free_all(headers);
  return outcome;
}
