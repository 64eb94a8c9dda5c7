import ModelFiles

/// Which member of a record holds what; where it is nil, the usual names decide.
public struct DataColumns: Sendable, Equatable {
  /// `dataset_prompt_column`: the question, or what a completion follows.
  public var prompt: String?
  /// `dataset_answer_column`: the right answer.
  public var answer: String?
  /// `dataset_solution_column`: a worked solution that ends in the answer.
  public var solution: String?
  /// `dataset_system_column`: the system message.
  public var system: String?
  /// `dataset_messages_column`: a conversation.
  public var messages: String?
  /// `dataset_completion_column`: what follows a prompt.
  public var completion: String?
  /// `dataset_text_field`: a whole text.
  public var text = "text"

  /// The usual names.
  public init() {}

  /// Whether a name says where the problem is.
  var namesProblem: Bool { prompt != nil || messages != nil }
}

extension ProblemRecord {
  /// The member that a recipe names.
  ///
  /// - Throws: `ProblemError` if the record has none of that name.
  func member(_ object: JSONObject, _ name: String, _ key: String) throws(ProblemError) -> JSONValue {
    guard let value = object[name] else {
      throw error(
        "no \(quoted(name)), which \(key) names (the members are \(members))",
        "a member of that name in every record")
    }
    return value
  }
}
