import ModelFiles
import TinaRuntime

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
