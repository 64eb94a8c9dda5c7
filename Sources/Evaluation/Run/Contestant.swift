public import TinaRuntime

/// Who is evaluated: the base alone, or the base with an adapter.
public struct Contestant: Sendable {
  /// The name in results: `base`, or the adapter's.
  public let name: String
  /// The adapter; nil for the base alone, and for models of a server.
  public let adapter: AttachedAdapter?
  /// The adapter's content digest, in hexadecimal digits; nil for the base alone, and where nobody tells it.
  public let digest: String?
  /// The factor on top of the adapter's own scale.
  public let scale: Float
  /// What a server calls it; nil for what this process runs.
  package let model: String?

  /// Makes a contestant of this process.
  public init(name: String, adapter: AttachedAdapter?, digest: String?) {
    self.name = name
    self.adapter = adapter
    self.digest = digest
    scale = adapter?.scale ?? 1
    model = nil
  }

  /// Makes a contestant that a server runs under the name `model`.
  package init(name: String, model: String, digest: String?, scale: Float) {
    self.name = name
    adapter = nil
    self.digest = digest
    self.scale = scale
    self.model = model
  }
}
