package import ModelFiles

/// What a `tina serve` tells of itself at `GET /v1/adapters`: all that its answers depend on besides the request.
package struct ServerDescription: Sendable, Equatable {
  /// An adapter that the server answers with.
  package struct Adapter: Sendable, Equatable {
    /// Its name in requests.
    package let name: String
    /// The digest of its content, in hexadecimal.
    package let digest: String
    /// The factor on top of its own scale.
    package let scale: Float
  }

  /// The version of the program.
  package let version: String
  /// What activations are rounded to.
  package let activations: String
  /// The type of cached keys and values.
  package let cacheType: String
  /// The chat template's name; nil for a model without one.
  package let template: String?
  /// Tokens of prompt and answer at most.
  package let context: Int
  /// The tokenizer's number of ids.
  package let vocabulary: Int
  /// The tokens that end an answer.
  package let endTokens: [Int]
  /// Completions of one request at most.
  package let maxSamples: Int
  /// The base's name in requests.
  package let baseName: String
  /// The digest of the base's weights.
  package let baseDigest: String
  /// Whether the weights are the base's with an adapter merged into them, which no digest tells.
  package let isMerged: Bool
  /// Whether the server takes adapters that clients send.
  package let takesAdapters: Bool
  /// The adapters, by name.
  package let adapters: [Adapter]

  /// Reads the answer; nil if it is not that of a `tina serve`.
  package init?(_ value: JSONValue) {
    guard let object = value.object, let version = object["tina"]?.string,
      let activations = object["activations"]?.string, let cacheType = object["cache_type"]?.string,
      let context = object["context"]?.int, context > 0, let maxSamples = object["max_samples"]?.int,
      maxSamples > 0, let vocabulary = object["vocabulary"]?.int, let endTokens = object["end_tokens"]?.array,
      let base = object["base"]?.object, let baseName = base["name"]?.string,
      let baseDigest = base["digest"]?.string, let list = object["adapters"]?.array
    else { return nil }
    self.version = version
    self.activations = activations
    self.cacheType = cacheType
    template = object["template"]?.string
    self.context = context
    self.vocabulary = vocabulary
    self.endTokens = endTokens.compactMap(\.int)
    self.maxSamples = maxSamples
    self.baseName = baseName
    self.baseDigest = baseDigest
    isMerged = base["merged"]?.bool ?? false
    takesAdapters = object["takes_adapters"]?.bool ?? false
    adapters = list.compactMap { value in
      guard let name = value.object?["name"]?.string, let digest = value.object?["digest"]?.string,
        case .number(let scale)? = value.object?["scale"], let scale = Float(scale)
      else { return nil }
      return Adapter(name: name, digest: digest, scale: scale)
    }
    guard adapters.count == list.count else { return nil }
  }
}

extension ServerDescription {
  /// The adapter of a name, with the factor that may stand behind an @; nil if the server has none of that name.
  package func adapter(_ text: String) -> (digest: String, scale: Float)? {
    if let found = adapters.first(where: { $0.name == text }) { return (found.digest, found.scale) }
    guard let at = text.lastIndex(of: "@"), let factor = Float(text[text.index(after: at)...]),
      factor.isFinite,
      let found = adapters.first(where: { $0.name == text[..<at] })
    else { return nil }
    return (found.digest, found.scale * factor)
  }
}

extension ServerClient {
  /// What the server tells of itself; nil for a server that is no `tina serve`.
  ///
  /// - Throws: ``TransferError`` for a server that can't be reached or wants a key; `CancellationError`.
  package func describe() async throws -> ServerDescription? {
    let reply = try await send("GET", ["v1", "adapters"], idleSeconds: 120)
    if [401, 403].contains(reply.status) { throw refusal(reply) }
    guard reply.status == 200, let value = try? JSON.parse(reply.body, file: address.text) else { return nil }
    return ServerDescription(value)
  }
}
