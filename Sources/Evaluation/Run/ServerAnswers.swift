import Foundation
import ModelFiles
import Support
import TinaRuntime
package import Transfer

/// The answers of a server that speaks OpenAI's protocol.
///
/// A `tina serve` is told which random numbers a sample has, so that it draws the tokens that this process would.
/// Another server gets a seed for each sample. What it refuses to know is left out, and that is told.
package struct ServerAnswers: AnswerSource {
  private let client: ServerClient
  private let settings: EvaluationSettings
  /// What a `tina serve` told of itself; nil for other servers.
  private let server: ServerDescription?
  private let refused = Locked<Set<Dispensable>>([])
  private let onNote: @Sendable (String) -> Void

  /// - Parameter onNote: gets what a person should know, a sentence each.
  package init(
    _ client: ServerClient, settings: EvaluationSettings, server: ServerDescription?,
    onNote: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.client = client
    self.settings = settings
    self.server = server
    self.onNote = onNote
  }

  package var samplesAtOnce: Int { client.connections }

  /// A `tina serve` computes a prompt once for several requests too, and with one sample each all connections help.
  package var samplesPerQuestion: Int { 1 }

  package func start(_ question: Question) throws -> Asking {
    { drawn, onAnswer in
      let answer = try await answer(question)
      drawn.withLock { $0 += answer.tokens }
      try await onAnswer(answer)
    }
  }

  private func answer(_ question: Question) async throws -> QuestionAnswer {
    var without = refused.withLock { $0 }
    var reply = try await send(question, without: without)
    while server == nil, noteRefused(reply, of: Set(Dispensable.allCases).subtracting(without)) {
      without = refused.withLock { $0 }
      reply = try await send(question, without: without)
    }
    let value = try client.json(reply)
    return try server == nil ? foreign(value, question) : own(value, question)
  }

  /// Whether a server refused fields that it need not know, so that the request may go without them.
  ///
  /// - Parameter sent: which of them it had.
  private func noteRefused(_ reply: ServerClient.Reply, of sent: Set<Dispensable>) -> Bool {
    guard [400, 422].contains(reply.status) else { return false }
    let said = String(decoding: reply.body.prefix(4096), as: UTF8.self)
    let parameter = ServerClient.parameter(reply)
    let named = Dispensable.allCases.filter { field in
      (parameter.map { $0.utf8.elementsEqual(field.rawValue.utf8) } ?? false || said.contains(field.rawValue))
        && sent.contains(field) && field.isDispensable(settings.sampling)
    }
    let (isAny, new) = refused.withLock { refused -> (Bool, [Dispensable]) in
      let new = named.filter { !refused.contains($0) }
      refused.formUnion(new)
      return (!named.isEmpty, new)
    }
    for field in new { onNote("\(client.address.text) takes no \(field.rawValue): \(field.consequence)") }
    return isAny
  }

  /// What a server may not know.
  private enum Dispensable: String, CaseIterable {
    case seed
    case topK = "top_k"
    case minP = "min_p"

    /// Whether the request means the same without it, as far as it is ours to say.
    func isDispensable(_ sampling: SamplingParameters) -> Bool {
      switch self {
      case .seed: true
      case .topK: sampling.topK == 0
      case .minP: sampling.minP == 0
      }
    }

    var consequence: String {
      self == .seed ? "another run gives other answers" : "whether it filters tokens so is its own affair"
    }
  }

  private func send(
    _ question: Question, without: Set<Dispensable>
  ) async throws -> ServerClient.Reply {
    let body = JSONValue.object(request(question, without: without)).text()
    return try await client.send("POST", ["v1", "chat", "completions"], .bytes(Array(body.utf8)))
  }

  /// A request for one sample. What is off is said too: other servers have defaults of their own.
  private func request(_ question: Question, without refused: Set<Dispensable>) -> JSONObject {
    let sampling = settings.sampling
    let sample = question.samples.lowerBound
    var members: [(key: String, value: JSONValue)] = [
      ("model", .string(question.contestant.model ?? question.contestant.name)),
      (
        "messages",
        .array(
          question.messages.map {
            .record(["role": .string($0.role.rawValue), "content": .string($0.content)])
          })
      ), ("max_tokens", JSONValue(settings.maxTokens)), ("temperature", .number("\(sampling.temperature)")),
      ("top_p", .number("\(sampling.topP)")),
    ]
    let isOwn = server != nil
    if !refused.contains(.topK) { members.append(("top_k", JSONValue(sampling.topK))) }
    if !refused.contains(.minP) { members.append(("min_p", .number("\(sampling.minP)"))) }
    if isOwn {
      members += [
        ("repetition_penalty", .number("1")), ("seed", .number(String(sampling.seed))),
        (
          "tina",
          .record([
            "prompt_index": JSONValue(question.index), "sample_index": JSONValue(sample),
            "return": .array([.string("prompt"), .string("text")]),
          ])
        ),
      ]
    } else if !refused.contains(.seed) {
      members.append(("seed", JSONValue(Self.seed(sampling.seed, question.index, sample))))
    }
    return JSONObject(members)
  }

  /// A seed that every server reads: 31 bits. Contestants share it.
  static func seed(_ seed: UInt64, _ problem: Int, _ sample: Int) -> Int {
    Int(Digest.twoWords(of: "\(seed) \(problem) \(sample)").0 & 0x7FFF_FFFF)
  }

  /// A `tina serve` tells prompt and text as they are.
  private func own(_ value: JSONValue, _ question: Question) throws -> QuestionAnswer {
    let told = value.object?["tina"]?.object
    guard let choice = told?["choices"]?.array?.first?.object, let prompt = told?["prompt"]?.string,
      let text = choice["text"]?.string, let tokens = choice["tokens"]?.int, tokens >= 0,
      let reason = value.object?["choices"]?.array?.first?.object?["finish_reason"]?.string
    else {
      throw client.badAnswer(
        "no \"tina\" with prompt, text and tokens", expected: "what the request asked for")
    }
    return QuestionAnswer(
      sample: question.samples.lowerBound, prompt: prompt, completion: text, tokens: tokens,
      finishReason: reason)
  }

  /// Other servers tell the answer, and some of them the thinking apart from it.
  private func foreign(_ value: JSONValue, _ question: Question) throws -> QuestionAnswer {
    guard let choice = value.object?["choices"]?.array?.first?.object,
      let message = choice["message"]?.object
    else { throw client.badAnswer("no \"choices\" with a message", expected: "an answer to a chat") }
    let content = message["content"]?.string ?? ""
    let thinking = message["reasoning_content"]?.string ?? message["reasoning"]?.string ?? ""
    var text = content
    if !thinking.isEmpty {
      text = "<think>\n" + thinking.trimmingASCIIBlanks()
      // An answer that was cut off while the model thought has nothing behind it.
      if !content.isEmpty { text += "\n</think>\n\n" + content.trimmingASCIIBlanks() }
    }
    return QuestionAnswer(
      sample: question.samples.lowerBound,
      prompt: question.messages.map(\.content).joined(separator: "\n\n"), completion: text,
      tokens: max(value.object?["usage"]?.object?["completion_tokens"]?.int ?? 0, 0),
      finishReason: choice["finish_reason"]?.string ?? "unknown")
  }
}
