import AdapterFormat
import Foundation
import ModelFiles
import Support
public import TinaRuntime
import Transfer

/// Completions from servers, for a run's rollouts: from `tina serve`, or from other programs.
///
/// Each step's adapter goes to every server, and every request names it. Servers may come, go and be slow: groups are
/// handed out again. From `tina serve` the result is the same bits whoever answered.
public final class ServerCompletions: CompletionSource {
  private let servers: [RolloutServer]
  private let source: any StepAdapters
  /// Whether the log-probabilities are the trainer's bits: whether the servers are `tina serve`s.
  public let isExact: Bool
  private let onNote: @Sendable (String) -> Void
  /// Requests at one server at most.
  private static let laneLimit = 32
  /// Completions of all requests at one server, more or less.
  private static let samplesAtOnce = 128
  /// How long a run waits while no server can be reached.
  private static let patience = Duration.seconds(600)

  /// Asks the recipe's servers what they are.
  ///
  /// - Parameters:
  ///   - recipe: names the servers.
  ///   - model: the base that is trained.
  ///   - options: the run's options.
  ///   - key: what the servers want as their key.
  ///   - rank: this process's number among those that share the run. Each sends the adapter under a name of its own.
  ///   - processes: how many share the run.
  ///   - onNote: gets what a person should know, a sentence each.
  /// - Throws: ``TrainerError`` for a server that the run can't use, by name, and where none can be reached.
  public init(
    _ recipe: Recipe, model: Model, options: TrainingOptions, key: String?, rank: Int = 0, processes: Int = 1,
    onNote: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws {
    let base = try BaseIdentity(of: StoredBase(model.directory))
    let requirements = try ServerRequirements(recipe, model, base, cacheType: options.cacheType)
    // Another run on the same servers has another folder; the same run started again has the same.
    let folder = URL(fileURLWithPath: options.output).standardizedFileURL.path
    let own = [ProcessInfo.processInfo.hostName, folder] + (rank == 0 ? [] : ["\(rank)"])
    let name = "rollout-" + Digest.text(of: own).prefix(16)
    var pacing = ServerClient.Pacing()
    // A group whose server fails goes to another one at once.
    pacing.attempts = 1
    let shared = recipe.rolloutFolder.map {
      URL(fileURLWithPath: NSString(string: $0).expandingTildeInPath).standardizedFileURL.path
    }
    let terms = ServerTerms(
      requirements: requirements, name: name, folder: shared, processes: processes,
      temperature: recipe.sampling.temperature, scalesLogits: recipe.scalesLogits)
    let known = Locked<Bool?>(nil)
    var servers: [RolloutServer] = []
    for (number, address) in recipe.rolloutServers.enumerated() {
      let client = try ServerClient(address, key: key, connections: Self.laneLimit + 1, pacing: pacing)
      servers.append(RolloutServer(number, client, terms, isExact: known))
    }
    self.servers = servers
    self.onNote = onNote
    var reached = 0
    var kinds: [String] = []
    for server in servers {
      do {
        try await server.check()
        reached += 1
        if let kind = await server.kind?.rawValue, !kinds.contains(kind) { kinds.append(kind) }
      } catch let error as TransferError where error.kind == .unreachable {
        _ = try await server.judge(error)
        onNote(
          "rollout_servers: \(server.address): \(error.found); the run goes on without it until it answers")
      }
    }
    guard reached > 0 else {
      throw TrainerError(
        .server, place: recipe.path + ": rollout_servers", found: "no server that can be reached",
        expected: "at least one of " + servers.map(\.address).joined(separator: ", "),
        advice: "Start them: tina serve MODEL --accept-adapters --api-key-file FILE.")
    }
    isExact = known.withLock { $0 } ?? true
    let told = "rollouts come from \(reached) of \(servers.count) servers"
    if isExact {
      source = try AdapterSender(base: base)
      onNote(told + "; their log-probabilities are the trainer's bits")
      return
    }
    guard let shared else {
      throw TrainerError(
        .server, place: recipe.path + ": rollout_folder",
        found: "none, with servers of \(kinds.joined(separator: ", "))",
        expected: "a folder for the steps' adapters that they see under the same name")
    }
    source = try AdapterExporter(
      base: base, architecture: BaseArchitecture(path: model.directory.path), folder: shared, name: name)
    onNote(
      told + " (\(kinds.joined(separator: ", "))), whose log-probabilities are not the trainer's: "
        + recipe.correction.text)
  }

  /// Shares the requests out among the servers.
  public func complete(_ requests: [GenerationRequest], samples: Int) async throws -> [[CompletedText]] {
    guard let first = requests.first else { return [] }
    guard let attached = first.settings.adapter, attached.scale == 1 else {
      throw TrainerError(
        .server, place: "rollout_servers", found: "requests without an adapter", expected: "the run's adapter"
      )
    }
    let adapter = try source.files(attached.adapter)
    let board = RolloutBoard(count: requests.count)
    let share = (requests.count + servers.count - 1) / servers.count
    let lanes = min(share, max(Self.samplesAtOnce / samples, 1), Self.laneLimit)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      for server in servers {
        for _ in 0..<lanes {
          tasks.addTask { try await self.work(server, board, requests, samples, adapter) }
        }
      }
      // Whoever still computes what is there already is not waited for.
      while !board.isDone, try await tasks.next() != nil {}
      tasks.cancelAll()
      while let ended = await tasks.nextResult() {
        if case .failure(let error) = ended, !board.isDone { throw error }
      }
    }
    try Task.checkCancellation()
    guard board.isDone else { throw await noServer() }
    return board.results
  }

  /// Takes groups to a server until all are there.
  private func work(
    _ server: RolloutServer, _ board: RolloutBoard, _ requests: [GenerationRequest], _ samples: Int,
    _ adapter: SentAdapter
  ) async throws {
    var failures = 0
    while !board.isDone {
      try Task.checkCancellation()
      if await server.refusal != nil { return }
      var taken: Int?
      do {
        // Before it takes a group: one that is gone must keep none from the others.
        if try await server.prepare(adapter) {
          onNote("rollout_servers: \(server.address) answers again")
        }
        taken = board.take(server.number)
        guard let group = taken else {
          try await Task.sleep(for: .milliseconds(20))
          continue
        }
        let texts = try await server.complete(requests[group], samples: samples, digest: adapter.digest)
        board.finish(group, texts, by: server.number)
        failures = 0
      } catch {
        if let taken { board.giveBack(taken, by: server.number) }
        try Task.checkCancellation()
        if try await server.judge(error) { onNote("rollout_servers: \(server.address): \(error)") }
        failures += 1
        if try await allAreDown() { throw await noServer() }
        try await Task.sleep(for: .milliseconds(250 * (1 << min(failures - 1, 6))))
      }
    }
  }

  private func allAreDown() async throws -> Bool {
    for server in servers {
      if await server.refusal != nil { continue }
      guard let since = await server.downSince, ContinuousClock.now - since > Self.patience else {
        return false
      }
    }
    return true
  }

  private func noServer() async -> TrainerError {
    for server in servers {
      if let refusal = await server.refusal { return refusal }
    }
    return TrainerError(
      .server, place: "rollout_servers", found: "no server that answers", expected: "at least one",
      advice: "Start one, and the run again: it goes on from its last checkpoint.")
  }

  /// Removes the run's adapter from the servers.
  public func finish() async {
    for server in servers { await server.leave() }
  }
}
