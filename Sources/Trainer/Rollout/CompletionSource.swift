public import TinaRuntime

/// Where completions come from: rollouts and held-out problems ask nothing else of a sampler.
///
/// What learns checks what it gets: a source whose log-probabilities differ from the trainer's in a bit ends the run.
public protocol CompletionSource: Sendable {
  /// Completes each request `samples` times, with the adapter as it is during the call.
  ///
  /// - Returns: for each request its completions, in the order of their sample numbers.
  func complete(_ requests: [GenerationRequest], samples: Int) async throws -> [[CompletedText]]
}

/// This process's engine, on the very weights that are trained.
public struct LocalCompletions: CompletionSource {
  let engine: Engine

  /// Completions by `engine`.
  public init(_ engine: Engine) { self.engine = engine }

  /// All requests are in the engine at once, so that its batch is full for as long as possible.
  public func complete(_ requests: [GenerationRequest], samples: Int) async throws -> [[CompletedText]] {
    let running = try requests.map { try engine.generate($0, samples: samples) }
    var result: [[CompletedText]] = []
    for group in running { result.append(try await group.collect()) }
    return result
  }
}
