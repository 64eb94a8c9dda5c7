package import ModelFiles

/// Why processes can't work together.
package typealias ProcessError = Refusal<ProcessErrorKind>

/// The families of ``ProcessError``.
package enum ProcessErrorKind: Sendable, Equatable {
  /// The processes were not started so that they find each other.
  case launch
  /// A process would give other bits than the others, or has.
  case different
  /// An exchange failed.
  case exchange
}

/// Another process failed, and has told why.
package struct FailedElsewhere: Error, CustomStringConvertible {
  /// The process: "rank 2 of 4 on host".
  package let name: String

  package var description: String { "\(name) failed" }
}

/// An error in which all processes end together: one of them tells it.
package struct ProcessFailure: Error, CustomStringConvertible {
  /// The process: "rank 2 of 4 on host"; nil when all have the same error.
  package let name: String?
  /// What happened there.
  package let error: any Error
  /// The words in which it reaches people.
  let text: String

  package var description: String { (name.map { $0 + ": " } ?? "") + text }
}
