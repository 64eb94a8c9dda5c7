/// One problem, with its right answer where the file gives one.
public struct Problem: Sendable, Equatable {
  /// Names it within its file.
  public let id: String
  /// What the file tells the model beforehand: the system message of a conversation.
  public let system: String?
  /// What is asked.
  public let text: String
  /// The right answer alone.
  public let answer: String?
  /// A worked solution that ends in the answer.
  public let solution: String?

  /// What a reward compares with: a worked solution as it is, a bare answer between dollar signs, as Tina does.
  package var gold: String? { solution ?? answer.map { "$" + $0 + "$" } }

  /// Makes a problem.
  public init(id: String, system: String? = nil, text: String, answer: String?, solution: String? = nil) {
    self.id = id
    self.system = system
    self.text = text
    self.answer = answer
    self.solution = solution
  }
}
