import ModelFiles
import Support

// What the target Measuring sees of an engine and a model.

/// A step that only continued completions.
package struct StepRecord: Sendable {
  /// Tokens that it drew.
  package let rows: Int
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
  package func stepSeconds(behind context: Int, count: Int) -> [Double] {
    let cache = SequenceCache(PagePool(CacheLayout(config, type: .f16)))
    cache.reserve(tokens: context + count)
    cache.clear(tokens: context)
    let clock = ContinuousClock()
    return (0..<count).map { step in
      let segment = Segment(tokens: [step], cache: cache, adapter: nil, logits: 0..<1)
      let time = clock.measure { compute.exclusive { forward in unsafe forward.run([segment]) { _, _ in } } }
      return time.inSeconds
    }
  }
}
