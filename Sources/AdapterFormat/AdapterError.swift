public import ModelFiles

/// Why an adapter was not loaded: everything that is wrong with it, not only the first thing.
public struct AdapterError: Error, Sendable, CustomStringConvertible {
  /// The family of a violation, for programs that react to it.
  public enum Kind: Sendable, Equatable {
    /// A file is missing or cannot be read.
    case missing
    /// A file or folder cannot be written.
    case unwritable
    /// A file is of another format, or damaged.
    case malformed
    /// A valid file exceeds a limit of this reader.
    case beyondReader
    /// A setting with a value that cannot be.
    case badValue
    /// The adapter needs mathematics that is not done; the name is PEFT's.
    case unsupported(String)
    /// A setting that is not known and is not neutral.
    case unknownKey
    /// A tensor that belongs to no pair, or contradicts its pair or the settings.
    case badTensor
    /// A rule of the .tina format is broken.
    case tina(TinaRule)
  }

  /// One thing that is wrong.
  public typealias Violation = Refusal<Kind>

  /// The adapter's path as it was given.
  public let path: String
  /// Everything that is wrong, at least one thing.
  public let violations: [Violation]

  /// Makes an error.
  public init(path: String, violations: [Violation]) {
    self.path = path
    self.violations = violations
  }

  /// One line for one violation; else a heading and a line for each of the first hundred. Ends in what to do.
  public var description: String {
    var advices: [String] = []
    for violation in violations where advices.count < 4 && !violation.advice.isEmpty {
      if !advices.contains(violation.advice) { advices.append(violation.advice) }
    }
    let advice = advices.joined(separator: " ")
    if violations.count == 1 {
      return violations[0].description
    }
    var lines = ["\(printable(path, limit: 4096)): \(violations.count) violations, nothing was loaded:"]
    lines += violations.prefix(100).map { "  " + $0.statement }
    if violations.count > 100 { lines.append("  and \(violations.count - 100) more") }
    if !advice.isEmpty { lines.append(advice) }
    return lines.joined(separator: "\n")
  }
}

extension AdapterError.Violation {
  init(_ error: ModelFilesError) {
    let kind: AdapterError.Kind =
      switch error.kind {
      case .missing, .unreadable, .occupied: .missing
      case .unwritable: .unwritable
      case .beyondReader: .beyondReader
      default: .malformed
      }
    self = error.restated(kind)
  }
}
