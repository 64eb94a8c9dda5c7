public import TinaRuntime

/// A source of completions for rollouts and held-out problems.
///
/// The trainer compares log-probabilities: a source whose differ from its own in a bit ends the run, unless it says
/// that it is not exact.
public protocol CompletionSource: Sendable {
  /// Whether the log-probabilities are the trainer's bits. Those of other sources are made up for in the loss.
  var isExact: Bool { get }

  /// Completes each request `samples` times, with the adapter's numbers at the time of the call.
  ///
  /// - Returns: each request's completions, in the order of their sample numbers.
  func complete(_ requests: [GenerationRequest], samples: Int) async throws -> [[CompletedText]]

  /// The same, and tells the completions of each request, by its place, as soon as they may be judged.
  func complete(
    _ requests: [GenerationRequest], samples: Int,
    onGroup: @escaping @Sendable (Int, [CompletedText]) -> Void
  ) async throws -> [[CompletedText]]
}

extension CompletionSource {
  /// Yes.
  public var isExact: Bool { true }

  /// Tells all completions at the end.
  public func complete(
    _ requests: [GenerationRequest], samples: Int,
    onGroup: @escaping @Sendable (Int, [CompletedText]) -> Void
  ) async throws -> [[CompletedText]] {
    let all = try await complete(requests, samples: samples)
    for (index, completions) in all.enumerated() { onGroup(index, completions) }
    return all
  }
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

  /// As above; each group is told when its last completion ends.
  public func complete(
    _ requests: [GenerationRequest], samples: Int,
    onGroup: @escaping @Sendable (Int, [CompletedText]) -> Void
  ) async throws -> [[CompletedText]] {
    let running = try requests.map { try engine.generate($0, samples: samples) }
    return try await withThrowingTaskGroup(of: (Int, [CompletedText]).self) { tasks in
      for (index, group) in running.enumerated() {
        tasks.addTask {
          let completions = try await group.collect()
          onGroup(index, completions)
          return (index, completions)
        }
      }
      var result = [[CompletedText]](repeating: [], count: running.count)
      for try await (index, completions) in tasks { result[index] = completions }
      return result
    }
  }
}
