import Foundation
import ModelFiles
public import TinaRuntime
import Tokenization
import Support

/// Everything that a server says: one base, its adapters, and the answers to requests, whatever carries them.
public final class Service: Sendable {
  /// How a server behaves.
  public struct Settings: Sendable {
    /// Who may ask.
    public var gate = Gate()
    /// What one request may ask for.
    public var limits = RequestLimits()
    /// Completions at once.
    public var maxRunning = 64
    /// Requests that wait for room.
    public var maxQueue = 128
    /// Seconds that a request waits at most.
    public var patience = 120.0
    /// The folder from which clients may load adapters; they may not when nil.
    public var adapterFolder: AdapterFolder?
    /// Gets a line of JSON for each request.
    public var log: (@Sendable (String) -> Void)?

    /// The settings unless told otherwise.
    public init() {}
  }

  /// The adapters.
  public let adapters: AdapterRegistry
  let assistant: Assistant
  let settings: Settings
  let admission: Admission
  let metrics = Metrics()
  /// Encodes long prompts.
  let longWork = SerialWorker("tina prompts")
  let created = Int(Date().timeIntervalSince1970)

  /// A service on an engine.
  ///
  /// - Parameters:
  ///   - engine: what answers.
  ///   - adapters: the adapters that it answers with.
  ///   - settings: how it behaves.
  /// - Throws: `TokenizationError` for a tokenizer that is missing or damaged. A model whose chat template is
  ///   unknown is served all the same; chats are then refused with the reason.
  public init(engine: Engine, adapters: AdapterRegistry, settings: Settings = Settings()) throws {
    assistant = try Assistant(engine)
    self.adapters = adapters
    self.settings = settings
    var limits = Admission.Limits()
    limits.completions = settings.maxRunning
    limits.queue = settings.maxQueue
    limits.tokens = engine.tokenCapacity
    limits.patience = .seconds(settings.patience)
    admission = Admission(limits)
  }

  var engine: Engine { assistant.engine }
  var tokenizer: Tokenizer { assistant.tokenizer }
  /// How conversations are written.
  ///
  /// - Throws: `ServingError` for a model without a chat template.
  var prompts: PromptEncoder {
    get throws(ServingError) {
      do {
        return try assistant.prompts
      } catch {
        throw .invalid(code: "no_chat_template", "\(error) Use /v1/completions with a prompt.")
      }
    }
  }

  /// From now on new requests for answers are refused; those that have come are finished.
  public func drain() { admission.drain() }

  // MARK: Answering

  /// Answers a request. Cancelling the task, or a sink that throws, ends the work on it.
  package func respond(to request: ServerRequest, _ sink: some ResponseSink) async {
    let record = RequestRecord(method: request.method)
    let exchange = Exchange(
      sink: sink, record: record,
      headers: [("X-Request-Id", String(record.id))] + settings.gate.crossOriginHeaders(request))
    do {
      do {
        try await answer(request, exchange)
      } catch  where !exchange.hasBegun && !(error is CancellationError) && !(error is ClientLeft) {
        try await exchange.send(WholeReply(ServingError(error)), code: ServingError(error).code)
      }
    } catch {
      record.update { $0.isCancelled = true }
    }
    metrics.add(record)
    settings.log?(record.line)
  }

  /// A request that never became one: answered in the same form as the others.
  package func refuse(_ error: ServingError, method: String, _ sink: some ResponseSink) async {
    let record = RequestRecord(method: method)
    let exchange = Exchange(sink: sink, record: record, headers: [("X-Request-Id", String(record.id))])
    do {
      try await exchange.send(WholeReply(error), code: error.code)
    } catch {
      record.update { $0.isCancelled = true }
    }
    metrics.add(record)
    settings.log?(record.line)
  }

  private func answer(_ request: ServerRequest, _ exchange: Exchange) async throws {
    guard let route = Route(path: request.path) else {
      try settings.gate.check(request, needsKey: true)
      throw ServingError.noRoute(request.method, request.path)
    }
    exchange.record.update { $0.route = route.label }
    if request.method == "OPTIONS" { return try await exchange.preflight(settings.gate.preflight(request)) }
    guard request.method == route.method || (request.method == "HEAD" && route.method == "GET") else {
      let error = ServingError(
        405, "invalid_request_error", code: "method_not_allowed",
        "\(printable(request.method, limit: 16)) \(route.label): expected \(route.method).")
      var reply = WholeReply(error)
      reply.headers.append(("Allow", route.method == "GET" ? "GET, HEAD, OPTIONS" : "POST, OPTIONS"))
      return try await exchange.send(reply, code: error.code)
    }
    // Whoever watches over the server need not know its key or name.
    if case .health = route {} else { try settings.gate.check(request, needsKey: route.needsKey) }
    switch route {
    case .page: try await exchange.send(Page.reply)
    case .health: try await exchange.send(health())
    case .metrics: try await exchange.send(metricsReply())
    case .models: try await exchange.send(WholeReply(modelList()))
    case .model(let name): try await exchange.send(WholeReply(try await model(name)))
    case .chat: try await chat(request, exchange)
    case .completions: try await complete(request, exchange)
    case .load: try await exchange.send(try await load(request))
    case .unload: try await exchange.send(try unload(request))
    case .tokenize: try await exchange.send(WholeReply(try await tokenize(request)))
    case .detokenize: try await exchange.send(WholeReply(try await detokenize(request)))
    }
  }

  private func health() -> WholeReply {
    admission.isDraining
      ? WholeReply(ServingError.draining) : WholeReply(.record(["status": .string("ok")]))
  }

  private func metricsReply() -> WholeReply {
    WholeReply(
      metrics.text(
        engine: engine.statistics, load: admission.load, adapters: adapters.list.map(\.name)),
      type: "text/plain; version=0.0.4; charset=utf-8")
  }
}

/// What is served.
enum Route: Equatable {
  case page
  case health
  case metrics
  case models
  case model(String)
  case chat
  case completions
  case load
  case unload
  case tokenize
  case detokenize

  init?(path: String) {
    switch path {
    case "/": self = .page
    case "/health": self = .health
    case "/metrics": self = .metrics
    case "/v1/models": self = .models
    case "/v1/chat/completions": self = .chat
    case "/v1/completions": self = .completions
    case "/v1/load_lora_adapter": self = .load
    case "/v1/unload_lora_adapter": self = .unload
    case "/tokenize": self = .tokenize
    case "/detokenize": self = .detokenize
    default:
      guard path.hasPrefix("/v1/models/"), let name = String(path.dropFirst(11)).removingPercentEncoding,
        !name.isEmpty
      else { return nil }
      self = .model(name)
    }
  }

  /// The route in metrics and logs, without what a client chose.
  var label: String {
    switch self {
    case .page: "/"
    case .health: "/health"
    case .metrics: "/metrics"
    case .models: "/v1/models"
    case .model: "/v1/models/{model}"
    case .chat: "/v1/chat/completions"
    case .completions: "/v1/completions"
    case .load: "/v1/load_lora_adapter"
    case .unload: "/v1/unload_lora_adapter"
    case .tokenize: "/tokenize"
    case .detokenize: "/detokenize"
    }
  }

  var method: String {
    switch self {
    case .page, .health, .metrics, .models, .model: "GET"
    default: "POST"
    }
  }

  /// The page holds nothing but itself, and asks for the key.
  var needsKey: Bool { self != .page && self != .health }
}

/// The client is gone, or takes its answer too slowly.
package struct ClientLeft: Error {
  package init() {}
}

/// One request's way back.
struct Exchange: Sendable {
  let sink: any ResponseSink
  let record: RequestRecord
  let headers: [(String, String)]
  private let begun = Locked(false)

  init(sink: any ResponseSink, record: RequestRecord, headers: [(String, String)]) {
    self.sink = sink
    self.record = record
    self.headers = headers
  }

  /// Whether the client has been told a status.
  var hasBegun: Bool { begun.withLock { $0 } }

  func send(_ reply: WholeReply, code: String? = nil) async throws {
    record.update {
      $0.status = reply.status
      $0.code = code
    }
    begun.withLock { $0 = true }
    try await sink.whole(
      reply.status,
      headers + [("Content-Type", reply.type), ("X-Content-Type-Options", "nosniff")] + reply.headers,
      reply.body)
  }

  func preflight(_ allowed: [(String, String)]) async throws {
    let status = allowed.isEmpty ? 403 : 204
    record.update { $0.status = status }
    begun.withLock { $0 = true }
    try await sink.whole(status, allowed, [])
  }

  func beginStream() async throws {
    record.update {
      $0.status = 200
      $0.isStream = true
    }
    begun.withLock { $0 = true }
    // The last tells nginx to pass pieces on as they come.
    try await sink.begin(
      200,
      headers + [
        ("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache"),
        ("X-Accel-Buffering", "no"),
      ])
  }

  func events(_ chunks: [JSONValue]) async throws {
    if !chunks.isEmpty { try await sink.piece(Self.bytes(chunks)) }
  }

  func endStream(_ chunks: [JSONValue] = [], isDone: Bool = true) async throws {
    try await sink.end(Self.bytes(chunks) + (isDone ? Array("data: [DONE]\n\n".utf8) : []))
  }

  private static func bytes(_ chunks: [JSONValue]) -> [UInt8] {
    var text = ""
    for chunk in chunks { text += "data: " + chunk.text() + "\n\n" }
    return Array(text.utf8)
  }
}
