import AdapterFormat
import Foundation
import ModelFiles
import Synchronization
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Puts a number into the gradient, or the loss, of chosen steps.
final class Poison: GradientSum {
  private let steps: Set<Int>
  private let value: Double
  private let intoLoss: Bool
  private let calls = Mutex(0)

  init(_ steps: Set<Int>, _ value: Double, intoLoss: Bool = false) {
    (self.steps, self.value, self.intoLoss) = (steps, value, intoLoss)
  }

  func share(ofMicroBatches count: Int) -> Range<Int> { 0..<count }

  @unsafe func sum(gradient: UnsafeMutableBufferPointer<Float>) {
    let call = calls.withLock {
      $0 += 1
      return $0
    }
    if !intoLoss, steps.contains(call) { unsafe gradient[gradient.count / 2] = Float(value) }
  }

  func sum(numbers: inout [Double]) {
    if intoLoss, steps.contains(calls.withLock { $0 }) { numbers[0] = value }
  }
}

/// Numbers that are not finite, and disks that are.
@Suite struct FaultTests {
  @Test(arguments: [Double.nan, -.infinity], [false, true])
  func stepsOfNumbersThatAreNotFiniteAreNotMade(value: Double, intoLoss: Bool) async throws {
    let short = ShortRun()
    let lines = Mutex<[String]>([])
    let training = try short.training(stopAt: 5, gradients: Poison([2, 4], value, intoLoss: intoLoss))
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
    #expect(named.allSatisfy { $0.contains(intoLoss ? "the loss is" : "not finite in layers.") }, "\(named)")
  }

  @Test func threeSuchStepsInARowEndTheRun() async throws {
    let short = ShortRun()
    do {
      _ = try await short.run(stopAt: 8, gradients: Poison([2, 3, 5, 6, 7], .nan))
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

  /// Two processes that share the micro-batches of a step take the step that one would take.
  @Test func twoProcessesTakeTheStepOfOne() throws {
    @Sendable func update(_ exchange: any GradientSum) throws -> (PolicyUpdate, Generation) {
      let golden = try GradientCase(try #require(GradientCase.names.first { $0.hasPrefix("all/") }))
      let model = try Model(path: tiny(golden.model), threads: 1)
      let parameters = try golden.parameters(model)
      var settings = try UpdateSettings.defaults()
      settings.batchSize = 3
      let update = PolicyUpdate(
        try PolicyPass(model), parameters, settings, OptimizerSettings(learningRate: 1e-3),
        LearningRateSchedule(.constant, warmupSteps: 0, totalSteps: 1), exchange: exchange)
      let groups = (0..<5).map { g in
        ScoredGroup(
          prompt: (0..<4 + g).map { ($0 * 7 + g) % 90 }, completions: golden.batch.completions,
          isTruncated: golden.batch.completions.map { _ in false },
          rewards: golden.batch.completions.indices.map { Double(($0 + g) % 3) }, sampled: nil)
      }
      return (update, try update.prepare(groups))
    }
    let (whole, generation) = try update(SingleProcess())
    let expected = try whole.step(generation, iteration: 0)
    let meeting = Meeting()
    let found = Mutex<[Int: (UpdateMetrics, [Float])]>([:])
    let threads = (0..<2).map { rank in
      Thread {
        do {
          let (part, generation) = try update(meeting.member(rank))
          let metrics = try part.step(generation, iteration: 0)
          found.withLock { $0[rank] = (metrics, part.learner.parameters.values.all) }
        } catch { Issue.record("\(error)") }
        meeting.leave()
      }
    }
    for thread in threads { thread.start() }
    meeting.waitForAll()
    let results = found.withLock { $0 }
    let (first, second) = (try #require(results[0]), try #require(results[1]))
    #expect(sameBits(first.1, second.1))
    #expect(relativeError(first.1, whole.learner.parameters.values.all) < 1e-5)
    #expect(abs(first.0.loss - expected.loss) < 1e-9 && first.0.loss == second.0.loss)
    #expect(abs(first.0.gradientNorm / expected.gradientNorm - 1) < 1e-5)
    #expect(abs((first.0.kl ?? -1) - (expected.kl ?? -2)) < 1e-9)
  }
}

/// Two threads that stand for two processes: each waits for the other's numbers and adds them in order.
private final class Meeting: Sendable {
  private struct State {
    /// By kind of exchange, then by member.
    var said: [[[Double]?]] = [[nil, nil], [nil, nil]]
    var left = 0
  }
  private let state = Mutex(State())

  struct Member: GradientSum {
    let meeting: Meeting
    let rank: Int
    func share(ofMicroBatches count: Int) -> Range<Int> {
      rank == 0 ? 0..<count / 2 : count / 2..<count
    }
    @unsafe func sum(gradient: UnsafeMutableBufferPointer<Float>) throws {
      let mine = unsafe gradient.map { Double($0) }
      for (i, value) in try meeting.exchange(0, rank, mine).enumerated() { unsafe gradient[i] = Float(value) }
    }
    func sum(numbers: inout [Double]) throws { numbers = try meeting.exchange(1, rank, numbers) }
  }

  func member(_ rank: Int) -> Member { Member(meeting: self, rank: rank) }

  private func exchange(_ kind: Int, _ rank: Int, _ mine: [Double]) throws -> [Double] {
    state.withLock { $0.said[kind][rank] = mine }
    for _ in 0..<20000 {
      let all = state.withLock { $0.said[kind].compactMap(\.self) }
      if all.count == 2 { return zip(all[0], all[1]).map(+) }
      usleep(1000)
    }
    throw CancellationError()
  }

  func leave() { state.withLock { $0.left += 1 } }
  func waitForAll() { eventually { state.withLock { $0.left } == 2 } }
}
