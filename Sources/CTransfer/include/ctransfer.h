// One HTTP exchange at a time, through the system's libcurl.
//
// libcurl is opened when it is first needed, not linked: who never asks a server for anything is spared the
// time that loading it and its thirty libraries takes, and building needs no package.
#ifndef CTRANSFER_H
#define CTRANSFER_H

#include <stddef.h>

#pragma clang assume_nonnull begin

/// What went wrong, in kinds that a caller reacts to.
enum ct_code {
  CT_OK = 0,
  /// libcurl was not found, or is not one.
  CT_NO_LIBRARY,
  /// A callback stopped the exchange.
  CT_STOPPED,
  /// A host's name is not known, or no network is there.
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

/// What is asked for. Only `certificates` and, without any header, `headers` may be null.
struct ct_request {
  const char *_Nullable url;
  /// "Name: value", `header_count` of them.
  const char *_Nullable const *_Nullable headers;
  size_t header_count;
  long connect_seconds;
  /// After so many seconds without a byte the connection counts as broken.
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

/// A connection that is kept open between exchanges with the same server; used by one thread at a time.
typedef struct ct_connection ct_connection;

/// Makes a connection; null if libcurl was not found.
ct_connection *_Nullable ct_open(void);
void ct_close(ct_connection *connection);

/// Sends a request and takes the answer; http and https only, redirects are not followed.
struct ct_outcome ct_perform(ct_connection *connection, const struct ct_request *request);

#pragma clang assume_nonnull end

#endif
