import ModelFiles
import Support

// What the target Measuring sees of an engine and a model.

/// A step that only continued completions.
package struct StepRecord: Sendable {
  /// Completions that it continued.
  package let streams: Int
  /// Its rows: one for each completion, and those of guesses.
  package let rows: Int
  /// Tokens that it drew.
  package let tokens: Int
  /// How long it took, telling callers included.
  package let seconds: Double
}

extension Engine {
  /// Starts to keep a record of each step that only continues completions.
  package func recordSteps() { shared.beginRecording() }
  /// The records since then.
  package var recordedSteps: [StepRecord] { shared.recorded() }
}

extension Model {
  /// Runs `body`, alone, with the threads of the forward pass, as kernels take them.
  package func withThreads(_ body: (OpaquePointer) -> Void) {
    compute.exclusive { unsafe body($0.pool) }
  }

  /// Seconds of each of `count` steps of one sequence behind `context` tokens. Their keys and values are zeros, which
  /// take as long as others.
  ///
  /// - Parameter rows: rows of a step, each with logits, as guesses are checked.
  package func stepSeconds(behind context: Int, count: Int, rows: Int = 1) -> [Double] {
    let cache = SequenceCache(PagePool(CacheLayout(config, type: .f16)))
    cache.reserve(tokens: context + count * rows)
    cache.clear(tokens: context)
    let clock = ContinuousClock()
    return (0..<count).map { _ in
      let segment = Segment(tokens: Array(0..<rows), cache: cache, adapter: nil, logits: 0..<rows)
      let time = clock.measure { compute.exclusive { forward in unsafe forward.run([segment]) { _, _ in } } }
      return time.inSeconds
    }
  }
}
