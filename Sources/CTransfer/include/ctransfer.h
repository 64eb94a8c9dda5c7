// One HTTP exchange at a time, through the system's libcurl.
//
// libcurl is opened at its first use, not linked. A program that never asks a server does not load it and its thirty
// libraries, and building needs no package.
#ifndef CTRANSFER_H
#define CTRANSFER_H

#include <stddef.h>

#pragma clang assume_nonnull begin

/// How an exchange ended, as far as callers tell cases apart.
enum ct_code {
  CT_OK = 0,
  /// libcurl was not found, or is not one.
  CT_NO_LIBRARY,
  /// A callback stopped the exchange.
  CT_STOPPED,
  /// The host's name is unknown, or there is no network.
  CT_NO_HOST,
  /// The server did not take the connection.
  CT_NO_CONNECTION,
  /// The connection broke, or nothing came for too long.
  CT_BROKEN,
  /// The certificate is not trusted, or the encryption failed.
  CT_UNTRUSTED,
  /// Anything else.
  CT_FAILED,
};

/// A request. Only what says so may be null, and `headers` if there are none.
struct ct_request {
  const char *_Nullable url;
  /// "Name: value", `header_count` of them.
  const char *_Nullable const *_Nullable headers;
  size_t header_count;
  /// GET if null.
  const char *_Nullable method;
  /// What is sent, `body_count` bytes of it; null sends none. It must live as long as the call.
  const void *_Nullable body;
  size_t body_count;
  long connect_seconds;
  /// A connection counts as broken after so many seconds without a byte. With 0 an answer may be computed for as long
  /// as it takes: a machine that is gone is then noticed by the system's own probes.
  long idle_seconds;
  /// A file of trusted certificates instead of the system's, or null.
  const char *_Nullable certificates;
  /// One line of the header, with its end; 0 goes on.
  int (*_Nullable on_header)(void *context, const char *bytes, size_t count);
  /// Part of the body; 0 goes on.
  int (*_Nullable on_body)(void *context, const void *bytes, size_t count);
  /// Asked a few times a second; 0 goes on.
  int (*_Nullable is_stopped)(void *context);
  void *_Nullable context;
};

/// How it ended.
struct ct_outcome {
  enum ct_code code;
  /// libcurl's own words, or an empty text.
  char message[256];
};

/// A connection, kept open between exchanges with the same server. One thread at a time uses it.
typedef struct ct_connection ct_connection;

/// Makes a connection; null if libcurl was not found.
ct_connection *_Nullable ct_open(void);
void ct_close(ct_connection *connection);

/// Sends a request and takes the answer. Knows http and https only, and follows no redirect.
struct ct_outcome ct_perform(ct_connection *connection, const struct ct_request *request);

#pragma clang assume_nonnull end

#endif
