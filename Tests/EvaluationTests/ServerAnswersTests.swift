import Foundation
import Grading
import ModelFiles
import Problems
import Synchronization
import TestSupport
import Testing
import TinaRuntime
import Transfer

@testable import Evaluation

/// Evaluations of models that a server has.
@Suite struct ServerAnswersTests {
  private let scratch = TemporaryFolder()
  private static let problems = [("1 + 1", "2"), ("2 + 2", "4"), ("3 + 3", "6")]

  // Swift 6.3.1 crashes where it inlines this into an asynchronous test.
  @inline(never)
  private func evaluator(
    _ server: FakeServer, models: [String] = ["weak", "strong"], samples: Int = 2, topK: Int = 0,
    onNote: @escaping @Sendable (String) -> Void = { _ in }
  ) throws -> Evaluator {
    let lines = Self.problems.map { #"{"problem": "\#($0.0)", "answer": "\#($0.1)"}"# }
    let file = scratch.write("problems.jsonl", lines.joined(separator: "\n"))
    let benchmark = try Benchmark(file, folder: nil, model: "", style: .plain)
    let contestants = models.map { Contestant(name: $0, model: $0, digest: nil, scale: 1) }
    let settings = EvaluationSettings(
      benchmark: benchmark, problems: benchmark.problems, template: "the server's", system: "Be brief.",
      samples: samples, maxTokens: 64,
      sampling: SamplingParameters(temperature: 0.6, topK: topK, topP: 0.95, seed: 7),
      cacheType: nil, activations: nil, base: "the server's", contestants: contestants,
      endpoint: server.address)
    var pacing = ServerClient.Pacing()
    (pacing.firstDelay, pacing.attempts) = (0.001, 2)
    let source = ServerAnswers(
      try ServerClient(server.address, connections: 3, pacing: pacing), settings: settings, server: nil,
      onNote: onNote)
    return Evaluator(
      source: source, problems: benchmark.problems, style: .plain, contestants: contestants,
      settings: settings, grader: Grader())
  }

  /// The right answer from "strong", and always 4 from others.
  private static func answer(_ request: FakeServer.Request) -> FakeServer.Answer {
    let messages = request.json["messages"] as? [[String: String]] ?? []
    let asked = messages.last?["content"] ?? ""
    let right = problems.first { $0.0 == asked }?.1 ?? "?"
    let text = request.json["model"] as? String == "strong" ? right : "4"
    return .reply(
      200,
      #"{"choices": [{"message": {"content": "It is \\boxed{\#(text)}"}, "finish_reason": "stop"}],"#
        + #" "usage": {"completion_tokens": 5}}"#)
  }

  private func check(_ records: [CompletionRecord]) {
    #expect(records.count == 12)
    #expect(records.filter { $0.key.contestant == "strong" }.allSatisfy { $0.correct == true })
    #expect(records.count { $0.key.contestant == "weak" && $0.correct == true } == 2)
    #expect(records.allSatisfy { $0.tokens == 5 && $0.finishReason == "stop" })
  }

  private func check(_ requests: [[String: Any]]) throws {
    #expect(requests.count == 12)
    for request in requests {
      #expect(request["temperature"] as? Double == 0.6 && request["max_tokens"] as? Int == 64)
      // Servers have defaults of their own: what is off is said. What only Tina knows is not sent.
      #expect(request["top_k"] as? Int == 0 && request["min_p"] as? Double == 0 && request["tina"] == nil)
      let messages = try #require(request["messages"] as? [[String: String]])
      #expect(messages.map { $0["role"] } == ["system", "user"] && messages[0]["content"] == "Be brief.")
    }
    let seeds = { (model: String) in
      Set(requests.filter { $0["model"] as? String == model }.compactMap { $0["seed"] as? Int })
    }
    #expect(seeds("weak").count == 6 && seeds("weak") == seeds("strong"))
  }

  private func run(_ evaluator: Evaluator) async throws -> [CompletionRecord] {
    try await evaluator.run(in: EvaluationFolder(scratch.path("out")))
  }

  @Test func everyModelIsAskedEverythingWithSharedSeeds() async throws {
    let server = try FakeServer { Self.answer($0) }
    check(try await run(evaluator(server)))
    try check(server.requests.map(\.json))
  }

  @Test func anInterruptedEvaluationGoesOnAndAsksOnlyTheRest() async throws {
    let left = Mutex(5)
    let server = try FakeServer { request in
      let isUp = left.withLock { left in
        left -= 1
        return left >= 0
      }
      return isUp ? Self.answer(request) : .reply(400, "{}")
    }
    let folder = try EvaluationFolder(scratch.path("out"))
    await #expect(throws: TransferError.self) { try await evaluator(server).run(in: folder) }
    let kept = try String(contentsOfFile: folder.path + "/completions.part.jsonl", encoding: .utf8)
      .split(separator: "\n").count
    #expect((1...5).contains(kept))
    let again = try FakeServer { Self.answer($0) }
    // Another port is another server: its address stands in the settings.
    await #expect(throws: EvaluationError.self) { try await evaluator(again).run(in: folder) }
    left.withLock { $0 = 1000 }
    let before = server.requests.count
    #expect(try await evaluator(server).run(in: folder).count == 12)
    #expect(server.requests.count - before == 12 - kept)
  }

  @Test func whatAServerDoesNotKnowIsLeftOutAndTold() async throws {
    // One as transformers says it, the next as OpenAI does.
    let server = try FakeServer { request in
      if request.json["top_k"] != nil {
        return .reply(422, #"{"detail": "Unexpected fields in the request: {'min_p', 'top_k'}"}"#)
      }
      return request.json["seed"] == nil
        ? Self.answer(request) : .reply(400, #"{"error": {"message": "no", "param": "seed"}}"#)
    }
    let notes = Mutex<[String]>([])
    let folder = try EvaluationFolder(scratch.path("out"))
    let records = try await evaluator(server) { note in notes.withLock { $0.append(note) } }.run(in: folder)
    #expect(records.count == 12)
    let told = notes.withLock { $0.map { String($0.split(separator: " ")[3].dropLast()) } }
    #expect(told.sorted() == ["min_p", "seed", "top_k"])
    // What is on is not dispensed with.
    let strict = try FakeServer { _ in .reply(400, #"{"error": {"message": "no top_k"}}"#) }
    let other = try EvaluationFolder(scratch.path("other"))
    await #expect(throws: TransferError.self) { try await evaluator(strict, topK: 5).run(in: other) }
  }

  @Test func aServerWithoutSeedsIsAskedWithoutThemAndThatIsTold() async throws {
    let server = try FakeServer { request in
      request.json["seed"] == nil
        ? Self.answer(request)
        : .reply(400, #"{"error": {"message": "no such field", "param": "seed"}}"#)
    }
    let notes = Mutex<[String]>([])
    let folder = try EvaluationFolder(scratch.path("out"))
    let records = try await evaluator(server) { note in notes.withLock { $0.append(note) } }.run(in: folder)
    #expect(records.count == 12)
    #expect(notes.withLock { $0.count } == 1 && notes.withLock { $0[0].contains("takes no seed") })
  }

  @Test func thinkingThatIsToldApartIsPutBack() async throws {
    let server = try FakeServer { request in
      request.json["model"] as? String == "cut"
        ? .reply(
          200,
          #"{"choices": [{"message": {"content": null, "reasoning": "hm \\boxed{2}"}, "finish_reason": "length"}]}"#
        )
        : .reply(
          200,
          #"{"choices": [{"message": {"content": "\n\n\\boxed{2}", "reasoning_content": "\nhm\n"}, "#
            + #""finish_reason": "stop"}]}"#)
    }
    let folder = try EvaluationFolder(scratch.path("out"))
    let records = try await evaluator(server, models: ["whole", "cut"], samples: 1).run(in: folder)
    #expect(records[0].completion == "<think>\nhm\n</think>\n\n\\boxed{2}")
    #expect(records[0].isWellFormed && records[0].correct == true)
    #expect(records[3].completion == "<think>\nhm \\boxed{2}" && records[3].finishReason == "length")
    #expect(!records[3].isWellFormed)
  }

  @Test(arguments: ["{}", #"{"choices": []}"#, #"{"choices": [{"text": "x"}]}"#, "no json"])
  func whatIsNoAnswerEndsTheEvaluation(body: String) async throws {
    let server = try FakeServer { _ in .reply(200, body) }
    let folder = try EvaluationFolder(scratch.path("out"))
    let error = await #expect(throws: TransferError.self) { try await evaluator(server).run(in: folder) }
    #expect(error?.kind == .badAnswer)
  }
}
