package import ModelFiles

/// Why a server could not be used. `file` is its address.
package typealias TransferError = Refusal<TransferErrorKind>

/// The families of ``TransferError``.
package enum TransferErrorKind: Sendable, Equatable {
  /// The text is no address of a server, or the key can be none.
  case badAddress
  /// libcurl is not installed.
  case noTransfer
  /// The server can't be reached, or the connection broke again and again.
  case unreachable
  /// The server wants a key, or another one.
  case forbidden
  /// The server refused the request, with this status.
  case refused(Int)
  /// The answer is malformed, oversized or lacks what was asked for.
  case badAnswer
}
