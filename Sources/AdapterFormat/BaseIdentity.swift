public import ModelFiles

/// The base that an adapter was trained on, by its contents.
public struct BaseIdentity: Sendable {
  /// The identity as it is stored.
  public var json: JSONObject

  /// Makes an identity of its stored form.
  public init(json: JSONObject) { self.json = json }
}
