import ModelFiles
import Support
import TinaRuntime
import Transfer

/// One server that samples for a run.
actor RolloutServer {
  /// Its place in the recipe.
  nonisolated let number: Int
  nonisolated let address: String
  private let client: ServerClient
  private let terms: ServerTerms
  /// Whether the run's log-probabilities are the trainer's bits; the first server that answers decides.
  private let isExact: Locked<Bool?>
  private var dialect: (any ServerDialect)?
  /// The digest of this run's adapter that it has; nil when that is not known.
  private var digest: String?
  private var preparing: (digest: String, task: Task<Void, any Error>)?
  /// The program; nil until it has answered.
  private(set) var kind: ServerKind?
  /// Since when it can't be reached; nil while it can.
  private(set) var downSince: ContinuousClock.Instant?
  /// Why it is not asked any more.
  private(set) var refusal: TrainerError?

  init(_ number: Int, _ client: ServerClient, _ terms: ServerTerms, isExact: Locked<Bool?>) {
    self.number = number
    self.client = client
    self.terms = terms
    self.isExact = isExact
    address = client.address.text
  }

  /// Asks the server what it is.
  ///
  /// - Throws: ``TrainerError`` for one that the run can't use, by name; `TransferError` for one that can't be reached.
  func check() async throws {
    do {
      let (kind, _) = try await ServerKind.asking(client)
      let isExact = isExact.withLock { (known) -> Bool? in
        known = known ?? kind.isExact
        return known
      }
      guard kind.isExact == isExact else {
        throw ServerDifference(
          found: kind.rawValue, expected: "servers of one kind: tina serve alone, or other programs alone",
          advice: "Other programs' log-probabilities are not the trainer's bits. Leave it out.")
      }
      guard kind.isExact || terms.folder != nil else {
        throw ServerDifference(
          found: "\(kind.rawValue) without a rollout_folder", expected: "a folder for the steps' adapters",
          advice: "Name one in the recipe that the server sees under the same name.")
      }
      let dialect = kind.dialect(client, terms)
      try await dialect.check()
      self.kind = kind
      self.dialect = dialect
    } catch let difference as ServerDifference {
      let error = TrainerError(
        .server, place: "rollout_servers: " + address, found: difference.found, expected: difference.expected,
        advice: difference.advice
          ?? "Its log-probabilities would not be the trainer's. Start it as this run is, or leave it out.")
      refusal = error
      throw error
    }
  }

  /// Lets the server have an adapter unless it has it. Several callers wait for one.
  ///
  /// - Returns: whether the server was down before; one caller is told.
  func prepare(_ adapter: SentAdapter) async throws -> Bool {
    if digest == adapter.digest { return false }
    if let preparing, preparing.digest == adapter.digest {
      try await preparing.task.value
      return false
    }
    let wasDown = downSince != nil
    let task = Task {
      // It may have been started anew, as something else.
      if downSince != nil || digest == nil { try await check() }
      guard let dialect else { return }
      let last = digest
      digest = nil
      try await dialect.load(adapter, after: last)
      digest = adapter.digest
      downSince = nil
    }
    preparing = (adapter.digest, task)
    defer { preparing = nil }
    try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
    return wasDown
  }

  /// Completes a request under the adapter of that digest.
  func complete(_ request: GenerationRequest, samples: Int, digest: String) async throws -> [CompletedText] {
    guard let dialect else { return [] }
    return try await dialect.complete(request, samples: samples, digest: digest)
  }

  /// What becomes of the server after an error: it is tried again later, or never.
  ///
  /// - Returns: whether it is news that the server can't be used.
  /// - Throws: the error, if another server would give it too.
  func judge(_ error: any Error) throws -> Bool {
    digest = nil
    let isNews = downSince == nil
    if isNews { downSince = .now }
    switch error {
    case is TrainerError:
      if refusal == nil { throw error }
      return isNews
    case let error as TransferError:
      switch error.kind {
      case .unreachable, .badAnswer: return isNews
      // The adapter was replaced or is gone, the server is busy, full or stopping.
      case .refused(let status) where [404, 409, 429].contains(status) || status >= 500: return isNews
      default: throw error
      }
    default: throw error
    }
  }

  /// Removes this run's adapter.
  func leave() async {
    if let digest, let dialect { await dialect.leave(digest) }
  }
}
