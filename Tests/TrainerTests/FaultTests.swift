import AdapterFormat
import Foundation
import ModelFiles
import Processes
import Synchronization
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Puts a number into the gradient, or the loss, of chosen steps.
final class Poison: ProcessGroup {
  private let steps: Set<Int>
  private let value: Double
  private let intoLoss: Bool
  private let calls = Mutex(0)

  init(_ steps: Set<Int>, _ value: Double, intoLoss: Bool = false) {
    (self.steps, self.value, self.intoLoss) = (steps, value, intoLoss)
  }

  var count: Int { 1 }
  var rank: Int { 0 }
  var traffic: (bytes: Int, seconds: Double) { (0, 0) }
  func name(of rank: Int) -> String { "poison" }
  @unsafe func spread(_ memory: UnsafeMutableRawBufferPointer) {}

  @unsafe func add(
    _ part: UnsafeMutableBufferPointer<Float>, parts: Int, to sum: UnsafeMutableBufferPointer<Float>
  ) { unsafe SingleProcess().add(part, parts: parts, to: sum) }

  @unsafe func complete(_ gradient: UnsafeMutableBufferPointer<Float>) {
    let call = calls.withLock {
      $0 += 1
      return $0
    }
    if !intoLoss, steps.contains(call) { unsafe gradient[gradient.count / 2] = Float(value) }
  }

  func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    guard intoLoss, steps.contains(calls.withLock { $0 }) else { return [bytes] }
    var results = try PieceResult.read(bytes)
    var sums = try #require(PieceSums(results[0].numbers))
    sums.add(LossSums(loss: value), microBatch: 0)
    results[0].numbers = sums.numbers
    return [PieceResult.bytes(results)]
  }
}

/// Numbers that are not finite, and disks that are.
@Suite struct FaultTests {
  @Test(arguments: [Double.nan, -.infinity], [false, true])
  func stepsOfNumbersThatAreNotFiniteAreNotMade(value: Double, intoLoss: Bool) async throws {
    let short = ShortRun()
    let lines = Mutex<[String]>([])
    let training = try short.training(stopAt: 5, processes: Poison([2, 4], value, intoLoss: intoLoss))
    training.onLine = { line in lines.withLock { $0.append(line) } }
    let result = try await training.run()
    #expect(result.step == 5)
    // The adapter stays as it was over steps 2 and 4, and moves in the others.
    let adapters = try (1...5).map { try short.adapter($0) }
    #expect(adapters[1] == adapters[0] && adapters[3] == adapters[2])
    #expect(adapters[2] != adapters[1] && adapters[4] != adapters[3])
    #expect(short.lines.map { $0.values["skipped_steps"] } == [0, 1, 1, 2, 2])
    let named = lines.withLock { $0.filter { $0.contains("not made") } }
    #expect(named.count == 2)
    #expect(
      named.allSatisfy { $0.contains(intoLoss ? "the loss of micro-batch 1 is" : "not finite in layers.") },
      "\(named)")
  }

  @Test func threeSuchStepsInARowEndTheRun() async throws {
    let short = ShortRun()
    do {
      _ = try await short.run(stopAt: 8, processes: Poison([2, 3, 5, 6, 7], .nan))
      Issue.record("the run went on")
    } catch let error as TrainerError {
      #expect(error.kind == .notFinite)
      #expect(error.place == "step 7", "\(error)")
      #expect(error.description.contains("three steps in a row"))
    }
    // What was saved before is whole, and the run goes on from it.
    #expect(short.files.steps.last == 6)
    #expect(try await short.run(stopAt: 8).step == 8)
  }

  /// A pass that meets logits that are not finite is a step that is not made either.
  @Test func logitsThatAreNotFiniteAreNamed() throws {
    let golden = try GradientCase(try #require(GradientCase.names.first { $0.hasPrefix("all/") }))
    let model = try Model(path: tiny(golden.model), threads: 1)
    let parameters = try golden.parameters(model)
    var settings = try UpdateSettings.defaults()
    settings.loss.beta = 0
    let update = PolicyUpdate(
      try PolicyPass(model), parameters, settings, OptimizerSettings(),
      LearningRateSchedule(.constant, warmupSteps: 0, totalSteps: 1))
    let completions = golden.batch.completions
    let generation = try update.prepare([
      ScoredGroup(
        prompt: golden.batch.prompt, completions: completions, isTruncated: completions.map { _ in false },
        rewards: completions.indices.map { Double($0) }, sampled: nil)
    ])
    unsafe parameters.values.pointer[parameters.pairs[0].b] = .infinity
    let before = parameters.values.all
    let metrics = try update.step(generation, iteration: 0)
    #expect(metrics.skipped?.contains("NaN or infinite") == true, "\(metrics.skipped ?? "made")")
    #expect(sameBits(parameters.values.all, before) && update.learner.optimizer.step == 0)
  }
}
