public import ModelFiles

/// Why something could not be fetched or found in the cache. `file` is the name, address or path it is about.
public typealias HubError = Refusal<HubErrorKind>

/// The families of ``HubError``.
public enum HubErrorKind: Sendable, Equatable {
  /// A text names no repository, file or revision, or a setting has an impossible value.
  case badName
  /// The cache lacks it, and the hub may not be asked.
  case offline
  /// The hub cannot be reached, or the connection broke again and again.
  case unreachable
  /// The hub knows no such repository, revision or file.
  case notFound
  /// The hub wants a token, or another one.
  case forbidden
  /// The hub asks to wait longer than is allowed.
  case rateLimited
  /// The hub failed.
  case serverFailure
  /// The answer is malformed, oversized, contradictory or dangerous.
  case badAnswer
  /// The bytes have another size or digest than the hub lists.
  case damaged
  /// The folder or repository holds nothing that is wanted, or several candidates.
  case nothingWanted
  /// The cache can't be written to, or the disk has too little room.
  case unwritable
  /// Another program is fetching it.
  case busy
  /// The program cancelled the work.
  case cancelled
  /// libcurl is not installed.
  case noTransfer
}
