package import ModelFiles

/// Why a sweep does not start or go on, or why runs can't be compared.
package typealias SweepError = Refusal<SweepErrorKind>

/// The families of ``SweepError``.
package enum SweepErrorKind: Sendable, Equatable {
  /// The sweep's file asks what can't be.
  case plan
  /// A folder belongs to another process, or holds runs of another recipe.
  case folder
  /// A run or its evaluation failed.
  case run
  /// A file can't be written.
  case unwritable
}
