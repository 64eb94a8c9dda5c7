import ModelFiles
import TinaRuntime

/// `/v1/completions`: the text as it is, tags of thinking included.
struct TextFormat: AnswerFormat {
  let head: AnswerHead
  var promptField: String { "prompt" }

  func opening(choices: Int) -> [JSONValue] { [] }

  func chunks(_ event: Generation.Event, _ answer: inout Answer) -> [JSONValue] {
    let text: String
    var ending: Ending?
    switch event.event {
    case .token(let token):
      text = token.text ?? ""
      answer.tokens += 1
    case .finished(let end):
      text = end.text
      ending = end
      answer.reason = end.reason
      answer.stopText = end.stopText
    }
    answer.content += text
    let entry = head.entry(event.event)
    let offset = answer.listed
    if let entry {
      answer.probabilities.append(entry)
      answer.listed += head.text(entry.id).unicodeScalars.count
    }
    if text.isEmpty, entry == nil, ending == nil { return [] }
    return [
      head.record(
        "text_completion",
        choices: [
          choice(
            event.choice, text, entry.map { probabilities([$0], offset: offset) } ?? .null, ending?.reason,
            ending?.stopText)
        ])
    ]
  }

  func usageChunk(_ usage: JSONValue) -> JSONValue {
    head.record("text_completion", choices: [], usage: usage)
  }

  func whole(_ answers: [Answer], usage: JSONValue) -> JSONValue {
    let choices = answers.enumerated().map { index, answer in
      choice(
        index, answer.content,
        head.top == nil ? .null : probabilities(answer.probabilities, offset: 0), answer.reason,
        answer.stopText)
    }
    return head.record("text_completion", choices: choices, usage: usage)
  }

  private func choice(
    _ index: Int, _ text: String, _ probabilities: JSONValue, _ reason: FinishReason?, _ stopText: String?
  ) -> JSONValue {
    .record([
      "index": JSONValue(index), "text": .string(text), "logprobs": probabilities,
      "finish_reason": AnswerHead.reason(reason), "stop_reason": stopText.map { .string($0) } ?? .null,
    ])
  }

  private func probabilities(_ entries: [TokenEntry], offset: Int) -> JSONValue {
    var place = offset
    var offsets: [JSONValue] = []
    for entry in entries {
      offsets.append(JSONValue(place))
      place += head.text(entry.id).unicodeScalars.count
    }
    return .record([
      "tokens": .array(entries.map { .string(head.text($0.id)) }),
      "token_logprobs": .array(entries.map { AnswerHead.number($0.logProbability) }),
      "top_logprobs": .array(
        entries.map { entry in
          .object(
            JSONObject(entry.top.map { (key: head.text($0.id), value: AnswerHead.number($0.logProbability)) })
          )
        }), "text_offset": .array(offsets),
    ])
  }
}
