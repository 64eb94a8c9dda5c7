import ModelFiles
import Support
import TinaRuntime
import Tokenization

/// Writes completions as the JSON that a client reads, whole or in chunks.
protocol AnswerFormat: Sendable {
  /// The field of a request that holds what is answered.
  var promptField: String { get }
  /// The chunks with which a stream begins.
  func opening(choices: Int) -> [JSONValue]
  /// The chunks for an event; empty when it has nothing to show yet. `answer` is the choice's own.
  func chunks(_ event: Generation.Event, _ answer: inout Answer) -> [JSONValue]
  /// The chunk that ends a stream whose client wants to know what was used.
  func usageChunk(_ usage: JSONValue) -> JSONValue
  /// The whole answer.
  func whole(_ answers: [Answer], usage: JSONValue) -> JSONValue
  /// The chunks that end a stream.
  func closing(_ answers: [Answer], usage: JSONValue, isUsageWanted: Bool) -> [JSONValue]
  /// The chunk that ends a stream which failed.
  func failure(_ error: ServingError, _ answers: [Answer]) -> JSONValue
  /// Whether `[DONE]` comes behind the last chunk.
  var endsWithDone: Bool { get }
}

extension AnswerFormat {
  var endsWithDone: Bool { true }
  func failure(_ error: ServingError, _ answers: [Answer]) -> JSONValue { error.json }
  func closing(_ answers: [Answer], usage: JSONValue, isUsageWanted: Bool) -> [JSONValue] {
    isUsageWanted ? [usageChunk(usage)] : []
  }

  /// Names the request's own fields in what the engine refuses.
  func naming<T>(_ body: () throws(RuntimeError) -> T) throws(ServingError) -> T {
    do throws(RuntimeError) {
      return try body()
    } catch {
      throw ServingError(error, promptField: promptField)
    }
  }
}

/// One completion so far.
struct Answer: Sendable {
  var splitter: AnswerSplitter
  var reasoning = ""
  var content = ""
  var hasReasoned = false
  var probabilities: [TokenEntry] = []
  /// Characters of the tokens listed so far.
  var listed = 0
  var tokens = 0
  var reasoningTokens = 0
  var reason: FinishReason?
  var stopText: String?
  var cachedPromptTokens = 0
  /// Tokens guessed ahead, and those that were right.
  var draftedTokens = 0
  var acceptedTokens = 0
  /// Its tokens, where the answer tells them.
  var drawn = CompletedText()
  /// For `/v1/responses`.
  var items = ResponseItems()

  init(opensThinking: Bool) { splitter = AnswerSplitter(opened: opensThinking) }
}

/// A token with its probability and those of the likeliest at its place.
struct TokenEntry: Sendable {
  let id: Int
  let logProbability: Float
  let top: [TokenProbability]
}

/// What all answers of a request have in common.
struct AnswerHead: Sendable {
  let id: String
  let created: Int
  let model: String
  let seed: UInt64
  /// What the model rounds activations to: other values, other answers.
  let activations: ActivationType
  let endTokens: Set<Int>
  let tokenizer: Tokenizer
  /// Nil when probabilities are not wanted.
  let top: Int?

  /// What decides the numbers besides the model and the request.
  var fingerprint: String { "tina-\(tinaVersion)-\(activations.rawValue)" }

  func record(_ kind: String, choices: [JSONValue], usage: JSONValue? = nil) -> JSONValue {
    var members: [(key: String, value: JSONValue)] = [
      ("id", .string(id)), ("object", .string(kind)), ("created", JSONValue(created)),
      ("model", .string(model)), ("system_fingerprint", .string(fingerprint)),
      ("seed", .number(String(seed))), ("choices", .array(choices)),
    ]
    if let usage { members.append(("usage", usage)) }
    return .object(JSONObject(members))
  }

  /// The token of an event for the client's list; nil when it is none, or not wanted. The token that ends an
  /// answer is not listed: it is no part of the text.
  func entry(_ event: Completion.Event) -> TokenEntry? {
    guard top != nil, case .token(let token) = event, !endTokens.contains(token.id) else { return nil }
    return TokenEntry(id: token.id, logProbability: token.logProbability, top: token.top)
  }

  /// A token as text, damaged characters repaired.
  func text(_ id: Int) -> String { tokenizer.token(id) ?? "" }

  /// JSON has no infinity; OpenAI writes this for what can't be drawn.
  static func number(_ logProbability: Float) -> JSONValue {
    .number(logProbability.isFinite ? "\(logProbability)" : "-9999.0")
  }

  static func reason(_ reason: FinishReason?) -> JSONValue { reason.map { .string($0.rawValue) } ?? .null }
}

extension Answer {
  /// Adds a token's text to a chat's answer; what can be shown of it.
  mutating func takeToken(_ text: String) -> [AnswerPiece] {
    let wasThinking = splitter.isThinking
    let parts = splitter.append(text)
    tokens += 1
    if wasThinking || splitter.isThinking { reasoningTokens += 1 }
    add(parts)
    return parts
  }

  /// Ends a chat's answer; what is left to show.
  mutating func takeEnd(_ ending: Ending) -> [AnswerPiece] {
    let parts = splitter.append(ending.text) + splitter.finish()
    reason = ending.reason
    stopText = ending.stopText
    add(parts)
    return parts
  }

  private mutating func add(_ parts: [AnswerPiece]) {
    for part in parts {
      switch part {
      case .thinking(let text):
        reasoning += text
        hasReasoned = true
      case .answer(let text): content += text
      }
    }
  }
}
