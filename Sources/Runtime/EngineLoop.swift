import Foundation
import ModelFiles

/// Requests that wait for the engine's thread.
final class JobQueue: Sendable {
  private let condition = NSCondition()
  private nonisolated(unsafe) var waiting: [GenerationJob] = []
  private nonisolated(unsafe) var closed = false

  func add(_ job: GenerationJob) {
    condition.withLock { unsafe waiting.append(job) }
    condition.signal()
  }

  func close() {
    condition.withLock { unsafe closed = true }
    condition.signal()
  }

  /// Up to `limit` jobs in the order of their arrival. Waits for the first if `block`; nil once closed
  /// and empty.
  func take(limit: Int, block: Bool) -> [GenerationJob]? {
    condition.lock()
    defer { condition.unlock() }
    while unsafe block && waiting.isEmpty && !closed { condition.wait() }
    if unsafe waiting.isEmpty { return unsafe block && closed ? nil : [] }
    let jobs = unsafe Array(waiting.prefix(limit))
    unsafe waiting.removeFirst(jobs.count)
    return jobs
  }
}

/// What the engine's thread does: step after step, one batch each.
struct EngineLoop: Sendable {
  let model: Model
  let layout: CacheLayout
  let context: Int
  let batchLimit: Int
  let queue: JobQueue
  /// Rows of prompt per step: enough to be bound by arithmetic, few enough that decoding goes on beside it.
  let promptRows = 256

  func run() {
    var active: [GenerationJob] = []
    while true {
      let room = batchLimit - active.count
      if room > 0 {
        guard let jobs = queue.take(limit: room, block: active.isEmpty) else { return }
        for job in jobs { job.start(layout) }
        active += jobs
      }
      active.removeAll { job in
        if job.isCancelled { job.finish(.cancelled) }
        return job.isCancelled
      }
      if !active.isEmpty { active = step(active) }
    }
  }

  /// Advances every job by a token, or by a piece of its prompt; returns those that go on.
  private func step(_ active: [GenerationJob]) -> [GenerationJob] {
    // Neighbours with one adapter share its low-rank products.
    let jobs = active.sorted { rank($0.request.adapter) < rank($1.request.adapter) }
    var budget = promptRows
    var segments: [Segment] = []
    var stepped: [GenerationJob] = []
    for job in jobs {
      let isPrompt = job.pendingCount > 1
      if isPrompt, budget == 0 { continue }
      let segment = job.segment(limit: isPrompt ? budget : 1)
      if isPrompt { budget -= segment.tokens.count }
      segments.append(segment)
      stepped.append(job)
    }
    let finished = model.compute.exclusive { forward in
      unsafe forward.run(segments) { logits, _ in unsafe draw(stepped, segments, logits) }
    }
    return active.filter { !finished.contains(ObjectIdentifier($0)) }
  }

  private func rank(_ adapter: AttachedAdapter?) -> UInt {
    adapter.map { UInt(bitPattern: ObjectIdentifier($0).hashValue) } ?? 0
  }

  private func draw(
    _ jobs: [GenerationJob], _ segments: [Segment], _ logits: UnsafePointer<Float>
  ) -> Set<ObjectIdentifier> {
    let vocabulary = model.config.vocabSize
    var finished: Set<ObjectIdentifier> = []
    var row = 0
    for (job, segment) in zip(jobs, segments) {
      job.computed(segment.tokens.count)
      if segment.logits.isEmpty { continue }
      let values = unsafe logits + row * vocabulary
      row += 1
      let request = job.request
      let position = segment.cache.count
      let uniform = Philox.uniform(
        seed: request.sampling.seed, prompt: UInt32(truncatingIfNeeded: request.promptIndex),
        sample: UInt32(truncatingIfNeeded: request.sampleIndex), position: UInt64(position))
      let drawn = unsafe Sampler.draw(
        values, count: vocabulary, allowed: min(request.allowedTokens ?? vocabulary, vocabulary),
        request.sampling, uniform: uniform)
      guard let (token, logProbability) = drawn else {
        job.fail(RuntimeError.notFinite(position: position - 1))
        finished.insert(ObjectIdentifier(job))
        continue
      }
      if let reason = job.take(token, logProbability, context: context) {
        job.finish(reason)
        finished.insert(ObjectIdentifier(job))
      }
    }
    return finished
  }
}
