import Dispatch
import Foundation
import ModelFiles
import Support
import TinaRuntime
import Tokenization

/// Answers JSON lines, many in one batch, and writes the answers in the order of the lines.
struct RunLines {
  let turn: Turn
  /// The command's own adapter. Lines may name none if it is merged into the weights.
  let adapter: AdapterOptions

  private enum Pending {
    case answer(Completion, line: Int)
    case failure(LineFailure)
  }

  /// Lines read ahead of the one whose answer is awaited: enough to keep the batch full.
  private static let readAhead = 128

  func run(_ lines: LineReader) async throws {
    // A thread of its own reads the lines: an answer is written as soon as it is there, even when the writer of the
    // lines waits for it before the next line.
    let (stream, continuation) = AsyncThrowingStream.makeStream(of: Pending.self)
    let room = DispatchSemaphore(value: Self.readAhead)
    let reader = SendingBox(lines)
    let stop = StopFlag()
    lines.stop = stop
    let reading = SerialWorker("tina lines").start {
      let lines = reader.value
      var adapters = AdapterShelf(model: turn.assistant.model, attaching: adapter.attaching)
      do {
        while let bytes = try lines.next() {
          room.wait()
          if stop.isSet { break }
          continuation.yield(start(bytes, number: lines.number, file: lines.name, &adapters))
        }
        continuation.finish()
      } catch {
        continuation.finish(throwing: error)
      }
    }
    do {
      try await write(stream, name: lines.name) { room.signal() }
    } catch {
      stop.set()
      room.signal()
      await reading.join()
      throw error
    }
  }

  /// Writes the answers of the lines in their order.
  private func write(
    _ stream: AsyncThrowingStream<Pending, any Error>, name: String, onWritten: () -> Void
  ) async throws {
    var report = LineReport()
    for try await pending in stream {
      switch pending {
      case .failure(let failure): try report.write(failure)
      case .answer(let completion, let number):
        let answer: CompletedText
        do {
          answer = try await completion.collect()
        } catch {
          try report.write(LineFailure(error, number: number, file: name))
          break
        }
        try report.write(
          .record([
            "text": .string(answer.text ?? ""), "ids": .ids(answer.ids),
            "finish_reason": .string(answer.reason.rawValue),
          ]))
      }
      onWritten()
    }
    Terminal.note("\(turn.assistant.model.activations.rawValue) activations")
    try report.finish()
  }

  private func start(
    _ bytes: [UInt8], number: Int, file: String, _ adapters: inout AdapterShelf
  ) -> Pending {
    do {
      let line = try JSONLine(bytes, number: number, file: file)
      for key in ["temperature", "top_k", "top_p", "min_p", "stop", "system", "n"] where line.has(key) {
        throw line.wrong(key, "a setting that lines don't have", "it as an option of the command")
      }
      let seed = try line.read("seed", expected: "a whole number from 0 up") { value in
        if case .number(let literal) = value { UInt64(literal) } else { nil }
      }
      let limit = try line.read("max_tokens", expected: "a whole number from 1 up") { value in
        value.int.flatMap { $0 > 0 ? $0 : nil }
      }
      if adapter.merging.merged != nil, line.has("adapter") {
        throw line.wrong("adapter", "an adapter of its own", "none: --merged put one into the weights")
      }
      var assistant = turn.assistant
      if line.has("adapter") { assistant.settings.adapter = try adapters.adapter(line) }
      if let seed { assistant.settings.sampling.seed = seed }
      if let limit { assistant.settings.maxTokens = limit }
      // A line with its own seed gets the answer that `tina run --seed` gives. The others share the command's seed, and
      // differ by their place in the file.
      let request = try assistant.request(for: prompt(line), promptIndex: seed == nil ? number - 1 : 0)
      return .answer(try assistant.engine.generate(request), line: number)
    } catch {
      return .failure(LineFailure(error, number: number, file: file))
    }
  }

  private func prompt(_ line: JSONLine) throws -> [Int] {
    if let text = try line.optionalText("prompt") {
      if line.has("messages") {
        throw line.wrong("messages", "both \"prompt\" and \"messages\"", "one of them")
      }
      return try turn.promptIDs(text)
    }
    let expected = "\"prompt\", a text, or \"messages\", a list of {\"role\", \"content\"}"
    guard let messages = try line.read("messages", expected: expected, { $0.array }) else {
      throw line.missing("prompt", expected)
    }
    let conversation = try messages.enumerated().map { i, message in
      let name = "messages[\(i)]"
      guard let role = message.object?["role"]?.string, let content = message.object?["content"]?.string
      else {
        throw line.wrong(name, message.summary, "an object with \"role\" and \"content\", both texts")
      }
      try turn.check(content)
      return switch message.object?["role"]?.word {
      case "system": ChatMessage(role: .system, content: content)
      case "user": ChatMessage(role: .user, content: content)
      case "assistant": ChatMessage(role: .assistant, content: content)
      default: throw line.wrong(name + ".role", quoted(role), "system, user or assistant")
      }
    }
    guard !turn.isRaw || conversation.isEmpty else {
      throw CommandError("\"messages\" need the chat template, which --raw leaves out. Give a \"prompt\".")
    }
    return try turn.assistant.encode(conversation)
  }
}

/// The adapters that lines name, each opened once.
private struct AdapterShelf {
  let model: Model
  let attaching: AttachOptions
  private var attached: [AdapterSource: AttachedAdapter] = [:]

  init(model: Model, attaching: AttachOptions) {
    self.model = model
    self.attaching = attaching
  }

  /// The line's adapter; nil, the base alone, when it is null.
  mutating func adapter(_ line: JSONLine) throws -> AttachedAdapter? {
    guard let text = try line.optionalText("adapter") else { return nil }
    guard text.utf8.count <= 4096, text.longMarkRun == nil else {
      throw line.wrong("adapter", "a text of \(text.utf8.count) bytes", "the path or name of an adapter")
    }
    guard let source = AdapterSource(argument: text) else {
      throw line.wrong("adapter", "an empty text", "a PEFT directory, or null for the base alone")
    }
    if let known = attached[source] { return known }
    let new = try attaching.attach(source, to: model)
    attached[source] = new
    return new
  }
}

/// Hands a value over to the only thread that uses it afterwards.
private struct SendingBox<Value>: @unchecked Sendable {
  let value: Value

  init(_ value: Value) { self.value = value }
}
