import Foundation
import ModelFiles
public import TinaRuntime
import Tokenization
import Support

/// Answers requests with one base and its adapters, whatever carries the requests.
public final class Service: Sendable {
  /// How a server behaves.
  public struct Settings: Sendable {
    /// Who may ask.
    public var gate = Gate()
    /// What one request may ask for.
    public var limits = RequestLimits()
    /// Completions at once.
    public var maxRunning = 64
    /// Requests that may wait for room.
    public var maxQueue = 128
    /// Seconds that a request waits at most.
    public var patience = 120.0
    /// The folder from which clients may load adapters; they may not when nil.
    public var adapterFolder: AdapterFolder?
    /// The adapters that clients send; they may not when nil, nor without a key.
    public var uploads: AdapterUploads?
    /// Whether the weights are a base's with an adapter merged into them.
    public var isMerged = false
    /// Gets a line of JSON for each request.
    public var log: (@Sendable (String) -> Void)?

    /// The defaults.
    public init() {}
  }

  /// The adapters.
  public let adapters: AdapterRegistry
  let assistant: Assistant
  let settings: Settings
  let admission: Admission
  let metrics = Metrics()
  let work = RequestWork()
  /// The digest of the base's weights, once somebody asked for it.
  let baseDigest = Locked<RunningWork<String>?>(nil)
  let reading = SerialWorker("tina base")
  let created = Int(Date().timeIntervalSince1970)

  /// A service on an engine.
  ///
  /// - Parameters:
  ///   - engine: computes the answers.
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

  /// How conversations are written that choose something of the template.
  ///
  /// - Throws: `ServingError` also for what the template has no use for.
  func encoder(_ options: ChatOptions) throws(ServingError) -> PromptEncoder {
    var encoder = try prompts
    do throws(TokenizationError) {
      try encoder.template.check(options)
    } catch { throw ServingError(error) }
    encoder.options = options
    return encoder
  }

  /// Refuses new requests for answers; those that have come are finished.
  public func drain() { admission.drain() }

  // MARK: Answering

  /// Answers a request. Cancelling the task, or a sink that throws, ends the work on it.
  package func respond(to request: ServerRequest, _ sink: some ResponseSink) async {
    if let answer = answerAtOnce(request) {
      try? await sink.whole(answer.status, answer.headers, answer.body)
      return
    }
    await told(request, sink) { try await self.answer(request, $0) }
  }

  /// Does the work of one request, and tells its client what went wrong.
  func told(
    _ request: ServerRequest, _ sink: some ResponseSink, _ work: (Exchange) async throws -> Void
  ) async {
    await recorded(request, sink) { exchange in
      do {
        try await work(exchange)
      } catch  where !exchange.hasBegun && !(error is CancellationError) && !(error is ClientLeft) {
        let told = told(error, exchange.record)
        try await exchange.send(WholeReply(told), code: told.code)
      }
    }
  }

  /// Refuses what never became a request, in the same form as the others.
  package func refuse(_ error: ServingError, _ request: ServerRequest, _ sink: some ResponseSink) async {
    await recorded(request, sink) { try await $0.send(WholeReply(error), code: error.code) }
  }

  /// Does the work of one request, and tells metrics and log how it went.
  private func recorded(
    _ request: ServerRequest, _ sink: some ResponseSink, _ work: (Exchange) async throws -> Void
  ) async {
    let record = RequestRecord(method: request.method)
    do {
      try await work(
        Exchange(sink: sink, record: record, headers: settings.gate.crossOriginHeaders(request)))
    } catch {
      record.update { $0.isCancelled = true }
    }
    finish(record)
  }

  func finish(_ record: RequestRecord) {
    metrics.add(record)
    settings.log?(record.line)
  }

  /// What a client is told of an error: nothing of where files lie on this machine.
  func told(_ error: any Error, _ record: RequestRecord) -> ServingError {
    // The server's own errors show what the client sent, and nothing else.
    if let error = error as? ServingError { return error }
    let error = ServingError(error)
    if let fault = error.fault { record.update { $0.fault = fault } }
    var places = settings.adapterFolder.map { [($0.root + "/", "")] } ?? []
    places += settings.uploads.map { [($0.folder + "/", "")] } ?? []
    places += adapters.list.map { ($0.path, $0.name) }
    places.append((engine.model.directory.path, adapters.baseName))
    return error.hiding(places)
  }

  private func answer(_ request: ServerRequest, _ exchange: Exchange) async throws {
    guard let route = Route(path: request.path) else {
      try settings.gate.check(request, needsKey: true)
      throw ServingError.noRoute(request.method, request.path)
    }
    exchange.record.update { $0.route = route.label }
    let method = request.method
    if method.isSame(as: "OPTIONS") { return try await exchange.preflight(settings.gate.preflight(request)) }
    guard route.methods.contains(where: { method.isSame(as: $0) }) else {
      let error = ServingError(
        405, "invalid_request_error", code: "method_not_allowed",
        "\(printable(method, limit: 16)) \(route.label): expected \(route.methods[0]).")
      var reply = WholeReply(error)
      reply.headers.append(("Allow", (route.methods + ["OPTIONS"]).joined(separator: ", ")))
      return try await exchange.send(reply, code: error.code)
    }
    try settings.gate.check(request, needsKey: route.needsKey)
    switch route {
    case .page: try await exchange.send(Page.reply)
    case .models: try await exchange.send(WholeReply(modelList()))
    case .model(let name): try await exchange.send(WholeReply(try await model(name)))
    case .chat: try await chat(request, exchange)
    case .completions: try await complete(request, exchange)
    case .responses: try await respond(request, exchange)
    case .load: try await exchange.send(try await load(request))
    case .unload: try await exchange.send(try await unload(request))
    case .adapters: try await exchange.send(WholeReply(try await description()))
    case .adapter(let name):
      try await exchange.send(
        method.isSame(as: "PUT") ? WholeReply(try await put(request)) : try await remove(name))
    case .tokenize: try await exchange.send(try await tokenize(request))
    case .detokenize: try await exchange.send(try await detokenize(request))
    case .health, .metrics: preconditionFailure("answered at once")
    }
  }
}
