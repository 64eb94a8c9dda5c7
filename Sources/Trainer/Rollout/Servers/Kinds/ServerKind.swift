import ModelFiles
import Support
import TinaRuntime
import Transfer

/// The programs whose servers can sample for a run, told apart by asking.
enum ServerKind: String, Sendable, CaseIterable {
  case tina = "tina serve"
  case vllm = "vLLM"
  case sglang = "SGLang"
  case llama = "llama-server"

  /// Whether log-probabilities are the trainer's bits.
  var isExact: Bool { self == .tina }

  /// What the server says that it is.
  ///
  /// - Throws: ``ServerDifference`` for another program; `TransferError` for a server that can't be reached or wants a
  ///   key.
  static func asking(_ client: ServerClient) async throws -> (kind: ServerKind, tina: ServerDescription?) {
    if let found = try await client.describe() { return (.tina, found) }
    let models = try await ServerModels(client)
    let owners = ["vllm": ServerKind.vllm, "sglang": .sglang, "llamacpp": .llama]
    guard let owner = models.all.first?["owned_by"]?.string, let kind = owners[owner] else {
      let said = models.all.first?["owned_by"]?.string.map { "a server of \(quoted($0))" }
      throw ServerDifference(
        found: said ?? "a server that tells no program",
        expected: "one of " + allCases.map(\.rawValue).joined(separator: ", "))
    }
    return (kind, nil)
  }
}

/// What a server answers at `GET /v1/models`.
struct ServerModels {
  /// An object for each model.
  let all: [JSONObject]

  init(_ client: ServerClient) async throws {
    let reply = try await client.send("GET", ["v1", "models"], idleSeconds: 120)
    guard let list = try client.json(reply).object?["data"]?.array else {
      throw client.badAnswer("no list of models", expected: "a list under \"data\"")
    }
    all = list.compactMap(\.object)
  }
}

/// In what a server is not what a run needs.
struct ServerDifference: Error {
  let found: String
  let expected: String
  /// What to do; nil for what holds of all servers of the kind.
  var advice: String?
}

/// How a run speaks with the servers of one program.
protocol ServerDialect: Sendable {
  /// Compares the server with what the run needs.
  ///
  /// - Throws: ``ServerDifference``, and the client's errors.
  func check() async throws

  /// Lets the server have an adapter.
  ///
  /// - Parameter last: the digest of the one that it had from this run; nil when that is not known.
  func load(_ adapter: SentAdapter, after last: String?) async throws

  /// Completes a request under the adapter of that digest.
  func complete(_ request: GenerationRequest, samples: Int, digest: String) async throws -> [CompletedText]

  /// Takes this run's adapter away.
  func leave(_ digest: String) async
}

/// What a run needs of its servers, whoever they are.
struct ServerTerms: Sendable {
  let requirements: ServerRequirements
  /// What this run's adapters are called on servers.
  let name: String
  /// Where adapters lie for servers of other programs; nil where the recipe names no folder.
  let folder: String?
  /// Processes that share the run.
  let processes: Int
  /// The temperature of rollouts.
  let temperature: Float
  /// Whether the loss divides logits by it.
  let scalesLogits: Bool

  /// The name of an adapter where servers take any name: another for each version, so that requests that run finish on
  /// theirs.
  func version(_ digest: String) -> String { name + "-" + digest.prefix(12) }

  /// Refuses log-probabilities that say something else than the loss compares.
  ///
  /// - Parameters:
  ///   - isTempered: whether they are those after the temperature.
  ///   - remedy: what else helps with this program.
  func check(isTempered: Bool, remedy: String) throws(ServerDifference) {
    guard temperature != 1, isTempered != scalesLogits else { return }
    let kinds = ["before the temperature is applied", "after it is applied"]
    throw ServerDifference(
      found: "log-probabilities " + kinds[isTempered ? 1 : 0],
      expected: kinds[scalesLogits ? 1 : 0]
        + ", as scale_logits_by_temperature: \(scalesLogits) compares them",
      advice: "Set it to \(!scalesLogits), or temperature: 1.0\(remedy).")
  }

  /// The seed of a request, for servers that take one: 31 bits.
  func seed(_ request: GenerationRequest, sample: Int = 0) -> Int {
    Self.seed(request.settings.sampling.seed, request.promptIndex, request.sampleIndex + sample)
  }

  static func seed(_ seed: UInt64, _ prompt: Int, _ sample: Int) -> Int {
    let text = Digest.text(of: [String(seed), String(prompt), String(sample)]).prefix(8)
    return (Int(text, radix: 16) ?? 0) & 0x7FFF_FFFF
  }
}

extension ServerKind {
  /// How this program is spoken with.
  func dialect(_ client: ServerClient, _ terms: ServerTerms) -> any ServerDialect {
    switch self {
    case .tina: TinaWorker(client: client, terms: terms)
    case .vllm: VLLMServer(client: client, terms: terms)
    case .sglang: SGLangServer(client: client, terms: terms)
    case .llama: LlamaServer(client: client, terms: terms)
    }
  }
}
