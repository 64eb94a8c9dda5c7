import TestSupport
import Testing
import TinaRuntime

@testable import Serving

@Suite struct AdmissionTests {
  func admission(completions: Int = 2, queue: Int = 2, tokens: Int = 100, patience: Double = 60) -> Admission
  {
    Admission(
      Admission.Limits(
        completions: completions, queue: queue, tokens: tokens, patience: .seconds(patience)))
  }

  /// Waits until `count` requests wait.
  func waitFor(_ count: Int, in admission: Admission) async throws {
    while admission.load.waiting != count { await pause(microseconds: 1000) }
  }

  @Test func requestsBeyondTheQueueAreRefused() async throws {
    let admission = admission()
    let first = try await admission.enter(completions: 2, tokens: 10)
    let order = Lines()
    let waiting = try await withThrowingTaskGroup(of: Void.self) { group in
      for name in ["a", "b"] {
        group.addTask {
          let ticket = try await admission.enter(completions: 2, tokens: 10)
          order.add(name)
          admission.leave(ticket, answers: [5, 5])
        }
        try await waitFor(name == "a" ? 1 : 2, in: admission)
      }
      let error = await #expect(throws: ServingError.self) {
        _ = try await admission.enter(completions: 1, tokens: 1)
      }
      #expect(error?.status == 429 && (1...60).contains(error?.retryAfter ?? 0))
      admission.leave(first, answers: [5])
      try await group.waitForAll()
      return order.all
    }
    #expect(waiting == ["a", "b"])
    #expect(admission.load == Admission.Load())
  }

  @Test func tokensAreABudgetAndTheOrderIsKept() async throws {
    let admission = admission(completions: 10, tokens: 100)
    let first = try await admission.enter(completions: 1, tokens: 80)
    let large = Task { try await admission.enter(completions: 1, tokens: 50) }
    try await waitFor(1, in: admission)
    // It would fit beside the first, but came later.
    let small = Task { try await admission.enter(completions: 1, tokens: 5) }
    try await waitFor(2, in: admission)
    admission.leave(first, answers: [])
    let tickets = try await [large.value, small.value]
    #expect(admission.load.tokens == 55 && admission.load.requests == 2)
    for ticket in tickets { admission.leave(ticket, answers: []) }
    // A request larger than the budget is admitted alone: the engine has checked that it fits.
    let huge = try await admission.enter(completions: 99, tokens: 1000)
    admission.leave(huge, answers: [])
    #expect(admission.load == Admission.Load())
  }

  @Test func cancelledAndExpiredRequestsLeaveTheQueue() async throws {
    let admission = admission(completions: 1, tokens: 100, patience: 0.05)
    let first = try await admission.enter(completions: 1, tokens: 1)
    let error = await #expect(throws: ServingError.self) {
      _ = try await admission.enter(completions: 1, tokens: 1)
    }
    #expect(error?.status == 429)
    let patient = self.admission(completions: 1)
    let held = try await patient.enter(completions: 1, tokens: 1)
    let leaver = Task { try await patient.enter(completions: 1, tokens: 1) }
    try await waitFor(1, in: patient)
    leaver.cancel()
    await #expect(throws: CancellationError.self) { _ = try await leaver.value }
    #expect(patient.load.waiting == 0)
    patient.leave(held, answers: [])
    admission.leave(first, answers: [])
    #expect(patient.load == Admission.Load() && admission.load == Admission.Load())
  }

  @Test func aDrainingServerAdmitsNoneAndFinishesAll() async throws {
    let admission = admission(completions: 1)
    let first = try await admission.enter(completions: 1, tokens: 1)
    let queued = Task { try await admission.enter(completions: 1, tokens: 1) }
    try await waitFor(1, in: admission)
    admission.drain()
    let error = await #expect(throws: ServingError.self) {
      _ = try await admission.enter(completions: 1, tokens: 1)
    }
    #expect(error?.status == 503)
    admission.leave(first, answers: [])
    admission.leave(try await queued.value, answers: [])
    #expect(admission.load == Admission.Load())
  }
}
