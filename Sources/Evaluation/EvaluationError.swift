import ModelFiles

/// Why an evaluation can't be made, or goes no further.
public enum EvaluationError: Error, Sendable, CustomStringConvertible {
  /// A file of problems, or of saved completions, is not what it should be.
  case badFile(file: String, place: String, found: String, expected: String)
  /// A benchmark's file was not found in any of the places looked at.
  case benchmarkNotFound(name: String, searched: [String], advice: String)
  /// Completions of other settings stand where these would be saved.
  case otherSettings(directory: String, differences: [String])
  /// A setting with a value that cannot be.
  case invalidSetting(name: String, found: String, expected: String)
  /// A file could not be written.
  case notWritten(file: String, reason: String)

  /// File, place, what was found, what was expected, what to do.
  public var description: String {
    switch self {
    case .badFile(let file, let place, let found, let expected):
      "\(file)\(place.isEmpty ? "" : ", " + place): found \(found); expected \(expected)."
    case .benchmarkNotFound(let name, let searched, let advice):
      "the benchmark \(name) was not found: looked for " + searched.joined(separator: ", ") + ". " + advice
    case .otherSettings(let directory, let differences):
      "\(directory) holds completions of other settings (" + differences.joined(separator: "; ")
        + "). Name another directory with --out, or remove this one."
    case .invalidSetting(let name, let found, let expected):
      "\(name): found \(found), expected \(expected)."
    case .notWritten(let file, let reason): "\(file): not written: \(reason)."
    }
  }
}
