import Foundation
import ModelFiles
import Support

/// One record of a file of problems, and what its members mean.
struct ProblemRecord {
  let file: String
  let place: String
  let value: JSONValue
  /// The members that a recipe names.
  let names: DataColumns

  private static let questionKeys = ["problem", "question", "Problem", "Question", "prompt", "messages"]
  private static let answerKeys = ["answer", "final_answer", "Answer", "gold", "target"]
  private static let idKeys = ["id", "unique_id", "ID", "idx"]
  /// No model's context holds a longer question.
  private static let maxTextBytes = 1 << 20
  /// What is kept of a record: rewards read it for every completion.
  private static let maxColumnBytes = 1 << 22

  func error(_ found: String, _ expected: String) -> ProblemError {
    ProblemError(file, place, found: found, expected: expected)
  }

  /// The names of the first members, for an error.
  var members: String { value.object?.keys.prefix(8).joined(separator: ", ") ?? "none" }

  /// - Parameter index: the record's place among the others; its id unless it has one.
  func problem(index: Int) throws(ProblemError) -> Problem {
    guard let object = value.object else { throw error("no object but \(value.summary)", "an object") }
    if !names.namesProblem, let choices = MultipleChoice(object, index: index) { return choices.problem }
    let question = try question(object)
    let count = question.earlier.reduce(question.question.utf8.count) { $0 + $1.text.utf8.count }
    guard count <= Self.maxTextBytes else { throw error("a problem of \(count) bytes", "at most a mebibyte") }
    let named = try namedAnswer(object)
    let solution = try solution(object)
    let answer =
      named.isNamed
      ? named.answer
      : Self.first(Self.answerKeys, of: object, Self.answer) ?? solution.flatMap(Self.lastBoxed)
        ?? verified(object) ?? solution
        ?? question.reply.flatMap { Self.lastBoxed($0) ?? Self.answer(.string($0)) }
    return Problem(
      id: try id(object) ?? String(index), system: try system(object, question),
      earlier: question.earlier, text: question.question, answer: answer, solution: solution)
  }

  /// All members, for rewards.
  func columns() throws(ProblemError) -> JSONObject {
    guard let object = value.object else { throw error("no object but \(value.summary)", "an object") }
    let count = value.textByteCount
    guard count <= Self.maxColumnBytes else {
      throw error(
        "a record of \(count) bytes", "at most \(Self.maxColumnBytes), of which rewards may read all")
    }
    return object
  }

  private static func first(
    _ keys: [String], of object: JSONObject, _ read: (JSONValue) -> String?
  ) -> String? {
    for key in keys {
      if let found = object[key].flatMap(read) { return found }
    }
    return nil
  }

  /// The record's own id. Reports sort and compare ids, so it must be a name.
  private func id(_ object: JSONObject) throws(ProblemError) -> String? {
    guard let id = Self.first(Self.idKeys, of: object, Self.scalar) else { return nil }
    guard id.utf8.count <= 1024, id.longMarkRun == nil else {
      throw error("an id of \(id.utf8.count) bytes", "a name of at most 1024 bytes")
    }
    return id
  }

  // MARK: Questions

  private func question(_ object: JSONObject) throws(ProblemError) -> Conversation {
    if let name = names.prompt {
      let value = try member(object, name, "dataset_prompt_column")
      if let messages = value.array { return try Conversation(messages, name, self) }
      guard let text = Self.scalar(value), !text.isEmpty else {
        throw error("\(value.summary) in \(quoted(name))", "a text or messages: the prompt")
      }
      return Conversation(question: text)
    }
    if let name = names.messages {
      let value = try member(object, name, "dataset_messages_column")
      guard let messages = value.array else {
        throw error("\(value.summary) in \(quoted(name))", "a list of messages")
      }
      return try Conversation(messages, name, self)
    }
    for key in Self.questionKeys {
      if let messages = object[key]?.array { return try Conversation(messages, key, self) }
      if let text = object[key].flatMap(Self.scalar), !text.isEmpty { return Conversation(question: text) }
    }
    throw error(
      "no problem and no question (the members are \(members))",
      "a text named problem, question or prompt, or messages")
  }

  /// The system message that a recipe names, or the usual member.
  private func system(_ object: JSONObject, _ question: Conversation) throws(ProblemError) -> String? {
    guard let name = names.system else { return question.system ?? object["system"]?.string }
    let value = try member(object, name, "dataset_system_column")
    if value.isNull { return nil }
    guard let text = value.string else {
      throw error("\(value.summary) in \(quoted(name))", "a text: the system message")
    }
    return text
  }

  // MARK: Answers

  /// The answer that a recipe names; a null is no answer.
  private func namedAnswer(_ object: JSONObject) throws(ProblemError) -> (isNamed: Bool, answer: String?) {
    guard let name = names.answer else { return (false, nil) }
    let value = try member(object, name, "dataset_answer_column")
    if value.isNull { return (true, nil) }
    guard let answer = Self.answer(value) else {
      throw error("\(value.summary) in \(quoted(name))", "a text, a number or a list of them: the answer")
    }
    return (true, answer)
  }

  /// The worked solution. A recipe that names the answer alone does not mean the usual one.
  private func solution(_ object: JSONObject) throws(ProblemError) -> String? {
    guard let name = names.solution else {
      return names.answer == nil ? object["solution"].flatMap(Self.scalar) : nil
    }
    let value = try member(object, name, "dataset_solution_column")
    if value.isNull { return nil }
    guard let text = Self.scalar(value) else {
      throw error("\(value.summary) in \(quoted(name))", "a text: the worked solution")
    }
    return text
  }

  private static func scalar(_ value: JSONValue) -> String? {
    if let string = value.string { return string }
    guard case .number(let literal) = value, !value.isNonFinite else { return nil }
    // Pandas writes whole numbers as 70.0.
    return literal.hasSuffix(".0") ? String(literal.dropLast(2)) : literal
  }

  private static func answer(_ value: JSONValue) -> String? {
    if let values = value.array {
      let parts = values.compactMap(scalar)
      return parts.isEmpty || parts.count != values.count ? nil : parts.joined(separator: ", ")
    }
    guard let text = scalar(value) else { return nil }
    // GSM8K ends its solution in "#### 18".
    guard let mark = text.lastRange(ofBytes: "#### ") else { return text }
    return text[mark.upperBound...].trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// II-Thought's answer: `verification_info`, an object or its text, holds `answer.value`.
  private func verified(_ object: JSONObject) -> String? {
    var info = object["verification_info"]
    if let text = info?.string { info = try? JSON.parse(Array(text.utf8), file: file) }
    return info?.object?["answer"]?.object?["value"].flatMap(Self.answer)
  }

  /// What the last `\boxed{}` of a text holds, braces balanced.
  private static func lastBoxed(_ text: String) -> String? {
    guard let start = text.lastRange(ofBytes: "\\boxed{") else { return nil }
    var depth = 1
    for i in text.utf8[start.upperBound...].indices {
      switch text.utf8[i] {
      case UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: "}"): depth -= 1
      default: break
      }
      if depth == 0 { return String(text[start.upperBound..<i]) }
    }
    return nil
  }
}

extension JSONValue {
  /// About as many bytes as its text has.
  fileprivate var textByteCount: Int {
    switch self {
    case .null, .bool: 4
    case .number(let literal): literal.utf8.count
    case .string(let text): text.utf8.count + 2
    case .array(let values): values.reduce(2) { $0 + $1.textByteCount + 1 }
    case .object(let object): object.members.reduce(2) { $0 + $1.0.utf8.count + $1.1.textByteCount + 4 }
    }
  }
}
