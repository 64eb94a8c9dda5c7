import Foundation
import Grading
import ModelFiles
import Problems
import Processes
import TestSupport
import Testing
import TinaRuntime
import Tokenization

@testable import Evaluation

/// Several processes make the evaluation that one makes, byte for byte.
@Suite struct SharedEvaluationTests {
  private static func evaluator(seed: UInt64 = 0) throws -> Evaluator {
    let model = try Model(path: pico, threads: 1)
    let assistant = try Assistant(Engine(model: model, contextLimit: 256, batchLimit: 8))
    let benchmark = try Benchmark("pico", folder: nil, model: pico, style: nil)
    let problems = Array(benchmark.problems.prefix(3))
    let contestants = [Contestant(name: "base", adapter: nil, digest: nil)]
    let settings = EvaluationSettings(
      benchmark: benchmark, problems: problems, template: try assistant.prompts.template.name, system: nil,
      samples: 3, maxTokens: 40, sampling: SamplingParameters(temperature: 0.6, topP: 0.95, seed: seed),
      cacheType: .f16, activations: model.activations, base: "test", contestants: contestants)
    return Evaluator(
      assistant: assistant, problems: problems, style: benchmark.style, contestants: contestants,
      settings: settings, grader: Grader())
  }

  private static func bytes(_ folder: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: folder + "/completions.jsonl"))
  }

  @Test(.needsPico, arguments: [2, 3]) func filesAreTheSame(count: Int) async throws {
    let (alone, shared) = (TemporaryFolder(), TemporaryFolder())
    let expected = try await Self.evaluator().run(in: EvaluationFolder(alone.path))
    // A part is there already, in any order.
    let half = expected.indices.filter { $0 % 2 == 1 }.reversed().map { expected[$0].line + "\n" }.joined()
    try Data(half.utf8).write(to: URL(fileURLWithPath: shared.path + "/completions.part.jsonl"))
    let path = shared.path
    let results = await Meeting(count).run { member in
      let evaluator = try Self.evaluator()
      try await evaluator.checkAlike(member)
      let folder = try member.isFirst ? EvaluationFolder(path) : nil
      return try await evaluator.run(in: folder, sharedBy: member)
    }
    #expect(try results[0].get() == expected)
    for other in results[1...] { #expect(try other.get().isEmpty) }
    #expect(try Self.bytes(shared.path) == Self.bytes(alone.path))
  }

  @Test(.needsPico) func otherSettingsAreRefused() async throws {
    let results = await Meeting(2).run { member in
      try await Self.evaluator(seed: UInt64(member.rank)).checkAlike(member)
    }
    let error = #expect(throws: ProcessFailure.self) { try results[0].get() }
    #expect(error?.description.hasPrefix("rank 1 of 2 on host: found settings ") == true)
  }
}
