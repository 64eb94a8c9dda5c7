import AdapterFormat
import ModelFiles
import Support
import TinaRuntime

// What answers depend on besides the request.
extension Service {
  /// `GET /v1/adapters`. Whoever compares it with its own knows whether this server gives the same bits.
  func description() async throws -> JSONValue {
    let model = engine.model
    let adapters = try await adapters.digests().map { adapter, digest, scale in
      JSONValue.record([
        "name": .string(adapter.name), "digest": .string(digest), "scale": .number("\(scale)"),
        "rank": JSONValue(adapter.rank), "parameters": JSONValue(adapter.parameters),
        "created": JSONValue(adapter.created),
      ])
    }
    return .record([
      "tina": .string(tinaVersion), "activations": .string(model.activations.rawValue),
      "kernels": .string(model.kernels), "cache_type": .string(engine.cacheType.rawValue),
      "template": (try? prompts.template.name).map { .string($0) } ?? .null,
      "context": JSONValue(engine.contextLimit), "vocabulary": JSONValue(tokenizer.idCount),
      "end_tokens": .array(model.endTokens.sorted().map { JSONValue($0) }),
      "max_samples": JSONValue(settings.limits.maxSamples),
      "base": .record([
        "name": .string(self.adapters.baseName), "digest": .string(try await readBaseDigest()),
        "merged": .bool(settings.isMerged),
      ]), "takes_adapters": .bool(settings.uploads != nil && settings.gate.apiKey != nil),
      "adapters": .array(adapters),
    ])
  }

  /// Reads all weights the first time.
  private func readBaseDigest() async throws -> String {
    let running = baseDigest.withLock { running -> RunningWork<String> in
      if let running { return running }
      let new = reading.start { [engine] in try engine.model.directory.weightsDigest() }
      running = new
      return new
    }
    return try await running.value
  }
}
