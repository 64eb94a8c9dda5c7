import ModelFiles

/// The section META (spec §6).
struct TinaMetadata {
  static let knownKeys = [
    "base_model_name", "configuration", "tensor_metadata", "training", "source", "parent",
  ]

  var baseModelName: String?
  var configuration: JSONObject?
  var tensorMetadata: [(key: String, value: String)] = []
  var training: JSONObject?
  /// What the file calls its parent: a name in its own folder, and no proof.
  var parentName: String?
  /// The members that this version of Tina does not know.
  var unknown: JSONObject?

  init(_ bytes: [UInt8]) throws(TinaFault) {
    let value: JSONValue
    do throws(ModelFilesError) {
      value = try JSON.parse(bytes, file: "", rules: .strict)
    } catch {
      throw TinaFault(.metadata, "section META, " + error.place, error)
    }
    guard let object = value.object else {
      throw TinaFault(.metadata, "section META", found: value.summary, expected: "a JSON object")
    }
    func wrong(_ key: String, _ value: JSONValue, _ expected: String) -> TinaFault {
      TinaFault(
        .metadata, "section META, key " + quoted(key), found: value.summary, expected: expected)
    }
    var others: [(key: String, value: JSONValue)] = []
    for (key, value) in object.members {
      switch key {
      case "base_model_name":
        guard let name = value.string else { throw wrong(key, value, "a string") }
        baseModelName = name
      case "configuration", "training", "source", "parent", "tensor_metadata":
        guard let members = value.object else { throw wrong(key, value, "an object") }
        if key == "configuration" { configuration = members }
        if key == "training" { training = members }
        if key == "parent" { parentName = members["file"]?.string }
        guard key == "tensor_metadata" else { continue }
        for (name, text) in members.members {
          guard let text = text.string else { throw wrong(key, text, "strings only") }
          tensorMetadata.append((name, text))
        }
      default: others.append((key, value))
      }
    }
    unknown = others.isEmpty ? nil : JSONObject(others)
  }
}
