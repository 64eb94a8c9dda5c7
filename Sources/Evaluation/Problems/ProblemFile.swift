import Foundation
import ModelFiles

/// Reads problems from JSON lines or a JSON array, in the layouts that mathematical benchmarks come in.
public enum ProblemFile {
  /// Names of the member that holds the question, in the order in which they are looked for.
  static let questionKeys = ["problem", "question", "Problem", "Question", "prompt"]
  /// Names of the member that holds the answer.
  static let answerKeys = ["answer", "final_answer", "Answer", "gold", "target"]
  /// Names of the member that identifies a problem.
  static let idKeys = ["id", "unique_id", "ID", "idx"]

  /// The problems of a file, in its order.
  ///
  /// The question is `problem`, `question` or `prompt` (a text or a list of turns); the answer is `answer` or
  /// `final_answer` (a text, a number or a list of texts), or else what the last `\boxed{}` of `solution` holds.
  /// GSM8K's `… #### 18` gives 18. The id is `id`, `unique_id` or `idx`, or else the place in the file.
  ///
  /// - Throws: `EvaluationError.badFile` naming the line, `ModelFilesError` for files that can't be read.
  public static func read(_ path: String) throws -> [Problem] {
    let bytes = try MappedFile(path: path)
    let all = bytes.copy(0..<bytes.byteCount)
    if all.starts(with: Array("PAR1".utf8)) {
      throw EvaluationError.badFile(
        file: path, place: "", found: "a Parquet file",
        expected: "JSON lines; convert it: python -c \"import pandas, sys; "
          + "pandas.read_parquet(sys.argv[1]).to_json(sys.argv[2], orient='records', lines=True)\" IN OUT")
    }
    let first = all.first { !" \t\r\n".utf8.contains($0) }
    var rows: [(place: String, value: JSONValue)] = []
    if first == UInt8(ascii: "[") {
      let values = try JSON.parse(all, file: path).array ?? []
      rows = values.enumerated().map { ("element \($0)", $1) }
    } else {
      for (number, line) in all.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        .enumerated()
      where line.contains(where: { !" \t\r".utf8.contains($0) }) {
        rows.append(("line \(number + 1)", try JSON.parse(Array(line), file: "\(path), line \(number + 1)")))
      }
    }
    guard !rows.isEmpty else {
      throw EvaluationError.badFile(file: path, place: "", found: "no problems", expected: "JSON lines")
    }
    var ids: Set<[UInt8]> = []
    return try rows.enumerated().map { index, row in
      let problem = try problem(row.value, index: index, file: path, place: row.place)
      guard ids.insert(Array(problem.id.utf8)).inserted else {
        throw EvaluationError.badFile(
          file: path, place: row.place, found: "the id \(quoted(problem.id)) a second time",
          expected: "every id once")
      }
      return problem
    }
  }

  private static func problem(
    _ value: JSONValue, index: Int, file: String, place: String
  ) throws -> Problem {
    func bad(_ found: String, _ expected: String) -> EvaluationError {
      .badFile(file: file, place: place, found: found, expected: expected)
    }
    guard let object = value.object else { throw bad(value.summary, "an object") }
    if let choices = MultipleChoice(object, index: index) { return choices.problem }
    let keys = object.keys.prefix(8).joined(separator: ", ")
    guard let question = questionKeys.lazy.compactMap({ object[$0].flatMap(text) }).first else {
      throw bad("no question (the members are \(keys))", "\"problem\" or \"question\"")
    }
    let id = idKeys.lazy.compactMap { object[$0].flatMap(scalar) }.first ?? String(index)
    if let answer = answerKeys.lazy.compactMap({ object[$0].flatMap(answer) }).first {
      return Problem(id: id, text: question, answer: answer)
    }
    if let solution = object["solution"].flatMap(text), let boxed = lastBoxed(solution) {
      return Problem(id: id, text: question, answer: boxed)
    }
    throw bad(
      "no answer (the members are \(keys))", "\"answer\", or a \"solution\" with its answer in \\boxed{}")
  }

  /// Problems as JSON lines, in the layout that ``read(_:)`` reads back unchanged.
  static func lines(_ problems: [Problem]) -> String {
    problems.map { problem in
      JSONValue.object(
        JSONObject([
          ("id", .string(problem.id)), ("problem", .string(problem.text)),
          ("answer", .string(problem.answer)),
        ])
      ).text() + "\n"
    }.joined()
  }

  /// A text, or the last turn of a list of turns.
  private static func text(_ value: JSONValue) -> String? {
    if let string = value.string { return string }
    guard let turn = value.array?.last?.object else { return nil }
    return (turn["content"] ?? turn["value"])?.string
  }

  private static func scalar(_ value: JSONValue) -> String? {
    if let string = value.string { return string }
    guard case .number(let literal) = value else { return nil }
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
    guard let mark = text.range(of: "#### ", options: .backwards) else { return text }
    return text[mark.upperBound...].trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// What the last `\boxed{}` of a text holds, braces balanced.
  static func lastBoxed(_ text: String) -> String? {
    guard let start = text.range(of: "\\boxed{", options: .backwards) else { return nil }
    var depth = 1
    var i = start.upperBound
    while i < text.endIndex {
      switch text[i] {
      case "{": depth += 1
      case "}": depth -= 1
      default: break
      }
      if depth == 0 { return String(text[start.upperBound..<i]) }
      i = text.index(after: i)
    }
    return nil
  }
}
