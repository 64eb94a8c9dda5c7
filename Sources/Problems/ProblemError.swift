/// Why a file of problems is refused.
public struct ProblemError: Error, Sendable, CustomStringConvertible {
  /// The file.
  public let file: String
  /// The record in it; empty when the file as a whole is meant.
  public let place: String
  /// What stands there.
  public let found: String
  /// What should stand there.
  public let expected: String
  /// What to do; empty when `expected` says it.
  public let remedy: String

  init(_ file: String, _ place: String, found: String, expected: String, remedy: String = "") {
    self.file = file
    self.place = place
    self.found = found
    self.expected = expected
    self.remedy = remedy
  }

  /// The file and the record.
  public var location: String { place.isEmpty ? file : "\(file), \(place)" }

  /// File, place, what was found, what was expected, what to do.
  public var description: String {
    "\(location): found \(found); expected \(expected).\(remedy.isEmpty ? "" : " " + remedy)"
  }
}
