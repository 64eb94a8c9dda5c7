public import TinaRuntime

/// A source of completions for rollouts and held-out problems.
///
/// The trainer compares log-probabilities: a source whose differ from its own in a bit ends the run.
public protocol CompletionSource: Sendable {
  /// Completes each request `samples` times, with the adapter's numbers at the time of the call.
  ///
  /// - Returns: each request's completions, in the order of their sample numbers.
  func complete(_ requests: [GenerationRequest], samples: Int) async throws -> [[CompletedText]]
}

/// This process's engine, which reads the trained matrices in place.
public struct LocalCompletions: CompletionSource {
  let engine: Engine

  /// Takes completions from `engine`.
  public init(_ engine: Engine) { self.engine = engine }

  /// Gives the engine all requests at once, so that its batch stays full.
  public func complete(_ requests: [GenerationRequest], samples: Int) async throws -> [[CompletedText]] {
    let running = try requests.map { try engine.generate($0, samples: samples) }
    var result: [[CompletedText]] = []
    for group in running { result.append(try await group.collect()) }
    return result
  }
}
