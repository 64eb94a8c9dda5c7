/// One problem with its right answer.
public struct Problem: Sendable, Equatable {
  /// Names it within its benchmark.
  public let id: String
  /// What is asked.
  public let text: String
  /// The right answer, as the benchmark writes it.
  public let answer: String

  /// Makes a problem.
  public init(id: String, text: String, answer: String) {
    self.id = id
    self.text = text
    self.answer = answer
  }
}
