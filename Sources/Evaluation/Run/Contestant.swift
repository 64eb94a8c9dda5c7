public import TinaRuntime

/// Who is evaluated: the base alone, or the base with an adapter.
public struct Contestant: Sendable {
  /// The name in results: `base`, or the adapter's.
  public let name: String
  /// The adapter; nil for the base alone.
  public let adapter: AttachedAdapter?
  /// The adapter's content digest, in hexadecimal digits; nil for the base alone.
  public let digest: String?

  /// Makes a contestant.
  public init(name: String, adapter: AttachedAdapter?, digest: String?) {
    self.name = name
    self.adapter = adapter
    self.digest = digest
  }
}
