import ModelFiles
import TinaRuntime

/// `/v1/responses`: the thinking is an item of the output, and the answer another.
struct ResponsesFormat: AnswerFormat {
  let head: AnswerHead
  let request: ResponsesRequest
  var promptField: String { "input" }
  var endsWithDone: Bool { false }

  // MARK: Whole

  func whole(_ answers: [Answer], usage: JSONValue) -> JSONValue {
    let answer = answers[0]
    let isCut = answer.reason == .length
    return response(
      isCut ? "incomplete" : "completed", answer.items.shown(head, isCut: isCut), usage: Self.usage(usage),
      isCut: isCut)
  }

  private func response(
    _ status: String, _ output: [JSONValue], usage: JSONValue = .null, isCut: Bool = false
  ) -> JSONValue {
    let none = JSONValue.null
    return .record([
      "id": .string(head.id), "object": .string("response"), "created_at": JSONValue(head.created),
      "status": .string(status), "background": .bool(false), "error": none,
      "incomplete_details": isCut ? .record(["reason": .string("max_output_tokens")]) : none,
      "instructions": request.instructions.map { .string($0) } ?? none,
      "max_output_tokens": request.maxTokens.map { JSONValue($0) } ?? none, "max_tool_calls": none,
      "metadata": request.metadata, "model": .string(head.model), "output": .array(output),
      "parallel_tool_calls": .bool(false), "previous_response_id": none,
      "reasoning": .record(["effort": none, "summary": none]), "seed": .number(String(head.seed)),
      "service_tier": .string("default"), "store": .bool(false),
      "system_fingerprint": .string(head.fingerprint),
      "temperature": Self.number(request.sampling.temperature),
      "text": .record(["format": .record(["type": .string("text")])]), "tool_choice": .string("none"),
      "tools": .array([]), "top_logprobs": JSONValue(0), "top_p": Self.number(request.sampling.topP),
      "truncation": .string("disabled"), "usage": usage, "user": none,
    ])
  }

  private static func number(_ value: Float?) -> JSONValue { value.map { .number("\($0)") } ?? .null }

  /// What was used, under the names of this protocol.
  private static func usage(_ usage: JSONValue) -> JSONValue {
    let object = usage.object
    return .record([
      "input_tokens": object?["prompt_tokens"] ?? .null,
      "input_tokens_details": object?["prompt_tokens_details"] ?? .null,
      "output_tokens": object?["completion_tokens"] ?? .null,
      "output_tokens_details": .record([
        "reasoning_tokens": object?["completion_tokens_details"]?.object?["reasoning_tokens"] ?? .null
      ]),
      "total_tokens": object?["total_tokens"] ?? .null,
    ])
  }

  // MARK: Stream

  func opening(choices: Int) -> [JSONValue] {
    ["response.created", "response.in_progress"].enumerated().map { number, type in
      .record([
        "type": .string(type), "sequence_number": JSONValue(number), "response": response("in_progress", []),
      ])
    }
  }

  func chunks(_ event: Generation.Event, _ answer: inout Answer) -> [JSONValue] {
    switch event.event {
    case .token(let token):
      let pieces = answer.takeToken(token.text ?? "")
      return pieces.flatMap { answer.items.add($0, head) }
    case .finished(let end):
      let pieces = answer.takeEnd(end)
      return pieces.flatMap { answer.items.add($0, head) }
        + answer.items.close(head, isCut: end.reason == .length)
    }
  }

  func closing(_ answers: [Answer], usage: JSONValue, isUsageWanted: Bool) -> [JSONValue] {
    var items = answers[0].items
    let type = answers[0].reason == .length ? "response.incomplete" : "response.completed"
    return [items.event(type, [("response", whole(answers, usage: usage))])]
  }

  func failure(_ error: ServingError, _ answers: [Answer]) -> JSONValue {
    var items = answers[0].items
    return items.event(
      "error",
      [
        ("code", .string(error.code ?? error.type)), ("message", .string(error.message)),
        ("param", error.param.map { .string($0) } ?? .null),
      ])
  }

  func usageChunk(_ usage: JSONValue) -> JSONValue { .null }
}

/// The items of a response's output, as they grow.
struct ResponseItems: Sendable {
  typealias Member = (key: String, value: JSONValue)

  private struct Item: Sendable {
    let isThinking: Bool
    var text: String
  }

  private var items: [Item] = []
  /// The number of the next event; the first two open the stream.
  private var sequence = 2

  /// An event with its number.
  mutating func event(_ type: String, _ members: [Member]) -> JSONValue {
    defer { sequence += 1 }
    return .object(
      JSONObject([("type", .string(type)), ("sequence_number", JSONValue(sequence))] + members))
  }

  /// Adds a piece of the answer; the events that tell of it.
  mutating func add(_ piece: AnswerPiece, _ head: AnswerHead) -> [JSONValue] {
    let isThinking: Bool
    switch piece {
    case .thinking: isThinking = true
    case .answer: isThinking = false
    }
    var events: [JSONValue] = []
    if items.last?.isThinking != isThinking {
      events += close(head, isCut: false)
      items.append(Item(isThinking: isThinking, text: ""))
      events.append(
        event(
          "response.output_item.added",
          [("output_index", index), ("item", shown(items.count - 1, head, nil))]))
      events.append(partEvent("response.content_part.added", head, text: ""))
    }
    items[items.count - 1].text += piece.text
    events.append(textEvent("delta", head, "delta", piece.text))
    return events
  }

  /// Ends the item at hand; the events that tell of it.
  mutating func close(_ head: AnswerHead, isCut: Bool) -> [JSONValue] {
    guard let last = items.last else { return [] }
    return [
      textEvent("done", head, "text", last.text),
      partEvent("response.content_part.done", head, text: last.text),
      event(
        "response.output_item.done",
        [("output_index", index), ("item", shown(items.count - 1, head, isCut ? "incomplete" : "completed"))]),
    ]
  }

  /// All items of an answer that has ended.
  func shown(_ head: AnswerHead, isCut: Bool) -> [JSONValue] {
    items.indices.map { shown($0, head, isCut && $0 == items.count - 1 ? "incomplete" : "completed") }
  }

  private var index: JSONValue { JSONValue(items.count - 1) }

  private func id(_ place: Int, _ head: AnswerHead) -> String {
    (items[place].isThinking ? "rs_" : "msg_") + "\(place)_\(head.id.dropFirst("resp_".count))"
  }

  private mutating func textEvent(
    _ kind: String, _ head: AnswerHead, _ key: String, _ text: String
  ) -> JSONValue {
    let isThinking = items.last?.isThinking == true
    let place = items.count - 1
    var members: [Member] = [
      ("item_id", .string(id(place, head))), ("output_index", index), ("content_index", JSONValue(0)),
      (key, .string(text)),
    ]
    if !isThinking { members.append(("logprobs", .array([]))) }
    return event("response.\(isThinking ? "reasoning_text" : "output_text").\(kind)", members)
  }

  private mutating func partEvent(_ type: String, _ head: AnswerHead, text: String) -> JSONValue {
    let place = items.count - 1
    return event(
      type,
      [
        ("item_id", .string(id(place, head))), ("output_index", index), ("content_index", JSONValue(0)),
        ("part", part(place, text)),
      ])
  }

  private func part(_ place: Int, _ text: String) -> JSONValue {
    items[place].isThinking
      ? .record(["type": .string("reasoning_text"), "text": .string(text)])
      : .record([
        "type": .string("output_text"), "text": .string(text), "annotations": .array([]),
        "logprobs": .array([]),
      ])
  }

  /// An item, without content while it has just begun.
  private func shown(_ place: Int, _ head: AnswerHead, _ status: String?) -> JSONValue {
    let item = items[place]
    let content = status == nil ? [] : [part(place, item.text)]
    let common: [Member] = [
      ("id", .string(id(place, head))), ("status", .string(status ?? "in_progress")),
      ("content", .array(content)),
    ]
    let own: [Member] =
      item.isThinking
      ? [("type", .string("reasoning")), ("summary", .array([]))]
      : [("type", .string("message")), ("role", .string("assistant"))]
    return .object(JSONObject(own + common))
  }
}
