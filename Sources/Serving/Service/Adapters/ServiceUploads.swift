import ModelFiles
import Support
import TinaRuntime

// Adapters that clients send.
extension Service {
  /// Where `PUT` is answered, before a name.
  private static let place = "/v1/adapters/"

  /// The most bytes of a request's body where it is an adapter; nil for other requests.
  package func uploadLimit(method: String, target: String) -> Int? {
    method.isSame(as: "PUT") && target.utf8.starts(with: Self.place.utf8)
      ? settings.uploads?.maxBytes ?? 0 : nil
  }

  /// Checks who sends an adapter and under which name, before its bytes come.
  package func beginUpload(_ request: ServerRequest) throws(ServingError) -> ArrivingAdapter {
    try settings.gate.check(request, needsKey: true)
    let uploads = try uploads()
    guard case .adapter(let text)? = Route(path: request.path) else {
      throw .noRoute(request.method, request.path)
    }
    if admission.isDraining { throw .draining }
    let (name, digest) = try reference(text)
    if !uploads.owns(name), adapters.list.contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) {
      throw fixed(name)
    }
    return try uploads.begin(name, digest: digest)
  }

  /// Answers a client whose adapter has arrived.
  package func finishUpload(
    _ arrived: ArrivingAdapter, _ request: ServerRequest, _ sink: some ResponseSink
  ) async {
    await told(request, sink) { exchange in
      exchange.record.update { $0.route = Route.adapter("").label }
      try await exchange.send(WholeReply(try await self.take(arrived)))
    }
  }

  /// An adapter whose bytes came with the request.
  func put(_ request: ServerRequest) async throws -> JSONValue {
    let arriving = try beginUpload(request)
    guard request.body.count <= settings.uploads?.maxBytes ?? 0 else {
      throw RequestHead.bodyTooLarge(settings.uploads?.maxBytes ?? 0, option: "--max-adapter")
    }
    arriving.append(request.body) { _ in }
    return try await take(arriving)
  }

  /// Loads an adapter, whole or not at all; requests that began keep the one that they have.
  private func take(_ arrived: ArrivingAdapter) async throws -> JSONValue {
    let uploads = try uploads()
    try await arrived.finish()
    let source = AdapterSource(path: arrived.path, allowBaseMismatch: adapters.allowBaseMismatch)
    let (loaded, digest) = try await adapters.take(arrived, source, uploads)
    return .record([
      "object": .string("adapter"), "name": .string(loaded.name), "digest": .string(digest),
      "rank": JSONValue(loaded.rank), "parameters": JSONValue(loaded.parameters),
      "notes": .array(loaded.notes.map { .string($0) }),
    ])
  }

  /// Removes an adapter that a client sent.
  func remove(_ text: String) async throws -> WholeReply {
    let uploads = try uploads()
    let (name, digest) = try reference(text)
    guard uploads.owns(name) else {
      if adapters.list.contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) { throw fixed(name) }
      throw ServingError.unknownModel(name, known: adapters.list.map(\.name))
    }
    if let digest { _ = try await adapters.resolve(name + "@sha256:" + digest) }
    try adapters.unload(name: name)
    _ = uploads.remove(name)
    return WholeReply(.record(["object": .string("adapter"), "name": .string(name), "deleted": .bool(true)]))
  }

  private func uploads() throws(ServingError) -> AdapterUploads {
    guard let uploads = settings.uploads, settings.gate.apiKey != nil else {
      throw ServingError(
        403, "permission_error", code: "adapters_fixed",
        "clients may not send adapters here. Start the server with --accept-adapters and --api-key-file FILE to let"
          + " whoever has the key.")
    }
    return uploads
  }

  /// `NAME` or `NAME@sha256:DIGEST`.
  private func reference(_ text: String) throws(ServingError) -> (name: String, digest: String?) {
    guard let reference = ModelReference(text, base: adapters.baseName), let name = reference.adapter,
      reference.scale == 1, !name.utf8.elementsEqual(adapters.baseName.utf8)
    else {
      throw .field(
        "name", found: quoted(text),
        expected:
          "1 to 128 letters, digits and ._/-, other than the base's name, and @sha256:DIGEST behind it if"
          + " wanted")
    }
    return (name, reference.digest)
  }

  private func fixed(_ name: String) -> ServingError {
    ServingError(
      409, "invalid_request_error", code: "adapter_exists",
      "the adapter \(quoted(name)) was loaded by whoever runs this server. Choose another name.")
  }
}
