public import Grading
public import ModelFiles
import Support

/// One completion with its verdict, as one line of `completions.jsonl`.
public struct CompletionRecord: Sendable, Equatable {
  /// The contestant, problem and sample. They identify a completion within an evaluation.
  public struct Key: Sendable, Hashable {
    /// The contestant's name.
    public let contestant: String
    /// The problem's id.
    public let id: String
    /// Number of the sample, from 0.
    public let sample: Int
  }

  /// Identifies the completion.
  public let key: Key
  /// The conversation as the model saw it.
  public let prompt: String
  /// The model's text without special tokens.
  public let completion: String
  /// Tokens drawn, including the one that ended it.
  public let tokens: Int
  /// `stop` or `length`.
  public let finishReason: String
  /// The answer found in it; nil when there is none.
  public var extracted: String?
  /// Whether it is right; nil when the grader could not decide.
  public var correct: Bool?
  /// Whether its thinking ends in the right form.
  public var isWellFormed: Bool

  /// Grades a completion.
  public init(
    key: Key, prompt: String, completion: String, tokens: Int, finishReason: String, gold: String,
    grader: Grader
  ) {
    self.key = key
    self.prompt = prompt
    self.completion = completion
    self.tokens = tokens
    self.finishReason = finishReason
    isWellFormed = false
    grade(gold: gold, grader: grader)
  }

  /// Grades the completion again.
  public mutating func grade(gold: String, grader: Grader) {
    let verdict = grader.grade(gold: gold, prediction: judgedText)
    extracted = verdict.extracted
    correct = verdict.isEqual
    isWellFormed = ThinkingFormat.isKept(by: completion)
  }

  /// What is judged. R1's template writes the opening tag at the prompt's end; graders need it.
  var judgedText: String { (prompt.ends(with: "<think>\n") ? "<think>\n" : "") + completion }

  /// The record as a line of JSON, without the line's end.
  public var line: String { JSONValue.object(object).text() }

  /// The record as an object.
  public var object: JSONObject {
    JSONObject([
      ("contestant", .string(key.contestant)), ("id", .string(key.id)), ("sample", JSONValue(key.sample)),
      ("prompt", .string(prompt)), ("completion", .string(completion)), ("tokens", JSONValue(tokens)),
      ("finish_reason", .string(finishReason)), ("extracted", extracted.map { .string($0) } ?? .null),
      ("correct", correct.map { .bool($0) } ?? .null), ("format", .bool(isWellFormed)),
    ])
  }

  /// Reads a line that ``line`` wrote.
  ///
  /// - Throws: `EvaluationError.badFile` naming the member that is missing or of another type.
  init(_ value: JSONValue, file: String, place: String) throws {
    func wrong(_ key: String, _ expected: String) -> EvaluationError {
      .badFile(
        file: file, place: "\(place), \"\(key)\"", found: value.object?[key]?.summary ?? "nothing",
        expected: expected)
    }
    func text(_ key: String) throws -> String {
      guard let text = value.object?[key]?.string else { throw wrong(key, "a text") }
      return text
    }
    guard let sample = value.object?["sample"]?.int, sample >= 0 else { throw wrong("sample", "a number") }
    guard let tokens = value.object?["tokens"]?.int, tokens >= 0 else { throw wrong("tokens", "a number") }
    guard let format = value.object?["format"]?.bool else { throw wrong("format", "true or false") }
    key = Key(contestant: try text("contestant"), id: try text("id"), sample: sample)
    prompt = try text("prompt")
    completion = try text("completion")
    self.tokens = tokens
    finishReason = try text("finish_reason")
    extracted = value.object?["extracted"]?.string
    correct = value.object?["correct"]?.bool
    isWellFormed = format
  }
}
