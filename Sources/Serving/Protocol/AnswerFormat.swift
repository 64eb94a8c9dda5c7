import ModelFiles
import Support
import TinaRuntime
import Tokenization

/// Writes completions as the JSON that a client reads, whole or in chunks.
protocol AnswerFormat {
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
}

extension AnswerFormat {
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
  let endTokens: Set<Int>
  let tokenizer: Tokenizer
  /// Nil when probabilities are not wanted.
  let top: Int?

  func record(_ kind: String, choices: [JSONValue], usage: JSONValue? = nil) -> JSONValue {
    var members: [(key: String, value: JSONValue)] = [
      ("id", .string(id)), ("object", .string(kind)), ("created", JSONValue(created)),
      ("model", .string(model)), ("system_fingerprint", .string("tina-" + tinaVersion)),
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

/// `/v1/chat/completions`.
struct ChatFormat: AnswerFormat {
  let head: AnswerHead
  var promptField: String { "messages" }

  func opening(choices: Int) -> [JSONValue] {
    (0..<choices).map { chunk($0, ["role": .string("assistant"), "content": .string("")]) }
  }

  func chunks(_ event: Generation.Event, _ answer: inout Answer) -> [JSONValue] {
    let parts: [AnswerPiece]
    var ending: Ending?
    switch event.event {
    case .token(let token): parts = answer.takeToken(token.text ?? "")
    case .finished(let end):
      parts = answer.takeEnd(end)
      ending = end
    }
    let entry = head.entry(event.event)
    if let entry { answer.probabilities.append(entry) }
    var chunks = parts.map { part in
      switch part {
      case .thinking(let text): chunk(event.choice, ["reasoning_content": .string(text)])
      case .answer(let text): chunk(event.choice, ["content": .string(text)])
      }
    }
    if let entry {
      // Beside the text that became certain with the token, which may be none.
      let delta: KeyValuePairs<String, JSONValue>
      switch parts.last {
      case .thinking(let text): delta = ["reasoning_content": .string(text)]
      case .answer(let text): delta = ["content": .string(text)]
      case nil: delta = ["content": .string("")]
      }
      if !chunks.isEmpty { chunks.removeLast() }
      chunks.append(chunk(event.choice, delta, probabilities: [entry]))
    }
    if let ending { chunks.append(chunk(event.choice, [:], ending: ending)) }
    return chunks
  }

  func usageChunk(_ usage: JSONValue) -> JSONValue {
    head.record("chat.completion.chunk", choices: [], usage: usage)
  }

  func whole(_ answers: [Answer], usage: JSONValue) -> JSONValue {
    let choices = answers.enumerated().map { index, answer in
      JSONValue.record([
        "index": JSONValue(index),
        "message": .record([
          "role": .string("assistant"), "content": .string(answer.content),
          "reasoning_content": answer.hasReasoned ? .string(answer.reasoning) : .null, "refusal": .null,
        ]),
        "logprobs": head.top == nil ? .null : probabilities(answer.probabilities),
        "finish_reason": AnswerHead.reason(answer.reason),
        "stop_reason": answer.stopText.map { .string($0) } ?? .null,
      ])
    }
    return head.record("chat.completion", choices: choices, usage: usage)
  }

  private func chunk(
    _ index: Int, _ delta: KeyValuePairs<String, JSONValue>, probabilities entries: [TokenEntry]? = nil,
    ending: Ending? = nil
  ) -> JSONValue {
    var members: [(key: String, value: JSONValue)] = [
      ("index", JSONValue(index)), ("delta", .record(delta)),
      ("logprobs", entries.map { probabilities($0) } ?? .null),
      ("finish_reason", AnswerHead.reason(ending?.reason)),
    ]
    if let ending { members.append(("stop_reason", ending.stopText.map { .string($0) } ?? .null)) }
    return head.record("chat.completion.chunk", choices: [.object(JSONObject(members))])
  }

  private func probabilities(_ entries: [TokenEntry]) -> JSONValue {
    .record([
      "content": .array(
        entries.map { entry in
          token(
            entry.id, entry.logProbability,
            top: .array(entry.top.map { token($0.id, $0.logProbability, top: nil) }))
        }), "refusal": .null,
    ])
  }

  private func token(_ id: Int, _ logProbability: Float, top: JSONValue?) -> JSONValue {
    var members: [(key: String, value: JSONValue)] = [
      ("token", .string(head.text(id))), ("logprob", AnswerHead.number(logProbability)),
      ("bytes", .array((head.tokenizer.utf8(of: id) ?? []).map { JSONValue(Int($0)) })),
    ]
    if let top { members.append(("top_logprobs", top)) }
    return .object(JSONObject(members))
  }
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
