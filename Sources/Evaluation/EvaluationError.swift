/// Why an evaluation cannot start or go on.
public enum EvaluationError: Error, Sendable, CustomStringConvertible {
  /// A saved evaluation is damaged or incomplete.
  case badFile(file: String, place: String, found: String, expected: String)
  /// A benchmark's file is in none of the places searched.
  case benchmarkNotFound(name: String, searched: [String], advice: String)
  /// The directory holds completions of other settings.
  case otherSettings(directory: String, differences: [String])
  /// Another process works in the directory.
  case busy(directory: String, holder: String)
  /// A file cannot be written.
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
    case .busy(let directory, let holder):
      "\(directory): found an evaluation that goes on in it (\(holder)); expected a directory that no other process"
        + " uses. Wait for it, or name another directory with --out."
    case .notWritten(let file, let reason): "\(file): not written: \(reason)."
    }
  }
}
