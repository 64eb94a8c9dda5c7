public import ModelFiles

/// One problem, with its right answer where the file gives one.
public struct Problem: Sendable, Equatable {
  /// Names it within its file.
  public let id: String
  /// What the file tells the model beforehand: the system message of a conversation.
  public let system: String?
  /// What was said before the question, user and assistant in turns.
  public let earlier: [Turn]
  /// What is asked.
  public let text: String
  /// The right answer alone.
  public let answer: String?
  /// A worked solution that ends in the answer.
  public let solution: String?
  /// All members of the record, as the file has them, where the reader was asked to keep them.
  public var columns: JSONObject?

  /// One turn before the question.
  public struct Turn: Sendable, Equatable {
    /// Whether the user speaks, or else the assistant.
    public let isUser: Bool
    /// What is said.
    public let text: String

    /// Makes a turn.
    public init(isUser: Bool, text: String) {
      self.isUser = isUser
      self.text = text
    }
  }

  /// What a reward compares with: a worked solution as it is, a bare answer between dollar signs, as Tina does.
  package var gold: String? { solution ?? answer.map { "$" + $0 + "$" } }

  /// Makes a problem.
  public init(
    id: String, system: String? = nil, earlier: [Turn] = [], text: String, answer: String?,
    solution: String? = nil
  ) {
    self.id = id
    self.system = system
    self.earlier = earlier
    self.text = text
    self.answer = answer
    self.solution = solution
  }
}
