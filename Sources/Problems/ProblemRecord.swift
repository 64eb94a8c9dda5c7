import Foundation
import ModelFiles
import Support

/// One record of a file of problems, and what its members mean.
struct ProblemRecord {
  let file: String
  let place: String
  let value: JSONValue

  private static let questionKeys = ["problem", "question", "Problem", "Question", "prompt", "messages"]
  private static let answerKeys = ["answer", "final_answer", "Answer", "gold", "target"]
  private static let idKeys = ["id", "unique_id", "ID", "idx"]
  /// No model's context holds a longer question.
  private static let maxTextBytes = 1 << 20

  func error(_ found: String, _ expected: String) -> ProblemError {
    ProblemError(file, place, found: found, expected: expected)
  }

  /// The names of the first members, for an error.
  var members: String { value.object?.keys.prefix(8).joined(separator: ", ") ?? "none" }

  /// - Parameter index: the record's place among the others; its id unless it has one.
  func problem(index: Int) throws(ProblemError) -> Problem {
    guard let object = value.object else { throw error("no object but \(value.summary)", "an object") }
    if let choices = MultipleChoice(object, index: index) { return choices.problem }
    let question = try question(object)
    guard question.text.utf8.count <= Self.maxTextBytes else {
      throw error("a problem of \(question.text.utf8.count) bytes", "at most a mebibyte")
    }
    let solution = object["solution"].flatMap(Self.scalar)
    let answer =
      Self.first(Self.answerKeys, of: object, Self.answer) ?? solution.flatMap(Self.lastBoxed)
      ?? verified(object) ?? solution
    return Problem(
      id: try id(object) ?? String(index),
      system: question.system ?? object["system"]?.string, text: question.text, answer: answer,
      solution: solution)
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

  private func question(_ object: JSONObject) throws(ProblemError) -> (system: String?, text: String) {
    for key in Self.questionKeys {
      if let turns = object[key]?.array { return try conversation(turns, key) }
      if let text = object[key].flatMap(Self.scalar), !text.isEmpty { return (nil, text) }
    }
    throw error(
      "no problem and no question (the members are \(members))",
      "a text named problem, question or prompt, or messages")
  }

  /// The user's one turn. A reply behind it is a worked example, which the model must not see.
  private func conversation(
    _ turns: [JSONValue], _ key: String
  ) throws(ProblemError) -> (system: String?, text: String) {
    var system: String?
    var question: String?
    for turn in turns {
      let role = (turn.object?["role"] ?? turn.object?["from"]).map { $0.word ?? "" } ?? "user"
      let text = (turn.object?["content"] ?? turn.object?["value"])?.string
      switch role {
      case "system" where question == nil: system = text
      case "user", "human":
        guard question == nil else {
          throw error("several turns of the user in \(quoted(key))", "one question")
        }
        question = text ?? ""
      default: continue
      }
    }
    guard let question, !question.isEmpty else {
      throw error("no problem in \(quoted(key))", "a text, or a conversation with one turn of the user")
    }
    return (system, question)
  }

  // MARK: Answers

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
