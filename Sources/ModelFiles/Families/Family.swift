/// A family of models: what its files call things, and what architecture they describe.
///
/// A new family is a file with such a type, and its place in ``Families/all``.
protocol Family: SendableMetatype {
  /// GGUF's name, `general.architecture`.
  static var name: String { get }
  /// `model_type` of its checkpoints; the first is the one that bases are known by.
  static var modelTypes: [String] { get }
  /// Names in `architectures`, the first of which is the usual one.
  static var classes: [String] { get }
  /// The models that people know it by, for messages.
  static var models: String { get }
  /// Whether the head is the embedding where a configuration does not tell.
  static var isTiedByDefault: Bool { get }
  /// Where norms stand in a block, and their names.
  static var norms: [NormPlace: ModuleName] { get }
  /// What is added to a norm's weights, which GGUF files hold already.
  static var normOffset: Float { get }
  /// Whether a GGUF file holds the rows of q and k with rotary pairs beside each other.
  static var pairsAreAdjacentInGGUF: Bool { get }

  /// The architecture that a `config.json` describes.
  ///
  /// - Throws: ``ModelFilesError`` naming a key that is missing, out of range or not computed.
  static func architecture(_ config: CheckpointConfig) throws(ModelFilesError) -> Architecture

  /// The architecture that a GGUF file's metadata describe.
  ///
  /// - Throws: ``ModelFilesError`` as above.
  static func architecture(_ config: GGUFConfig) throws(ModelFilesError) -> Architecture
}

extension Family {
  static var isTiedByDefault: Bool { false }
  static var norms: [NormPlace: ModuleName] { TensorNames.preNorms }
  static var normOffset: Float { 0 }
  static var pairsAreAdjacentInGGUF: Bool { false }
}

/// The families that are computed.
enum Families {
  static let all: [any Family.Type] = [Qwen2.self, Qwen3.self, Llama.self, SmolLM3.self, Gemma3.self]

  private static let advice =
    "Only models of these families can be run: " + all.map { $0.models }.joined(separator: "; ") + "."

  /// The architecture that a `config.json` describes.
  static func architecture(_ settings: Settings) throws(ModelFilesError) -> Architecture {
    let family = try family(settings)
    let text: Settings
    if let inner = settings["text_config"] {
      guard let object = inner.object else { throw settings.bad("text_config", expected: "an object") }
      text = Settings(file: settings.file, object: object, prefix: "text_config.")
    } else {
      text = settings
    }
    return try family.architecture(CheckpointConfig(family: family, settings: text, outer: settings))
  }

  private static func family(_ settings: Settings) throws(ModelFilesError) -> any Family.Type {
    let classes = all.flatMap { $0.classes }
    let names = settings["architectures"]?.array
    let type = settings["model_type"]?.word
    let family =
      type.map { type in all.first { $0.modelTypes.contains(type) } }
      ?? all.first { family in names?.contains { $0.word.map(family.classes.contains) ?? false } ?? false }
    if settings["architectures"] != nil {
      let known = family?.classes ?? classes
      guard let names, names.contains(where: { $0.word.map(known.contains) ?? false }) else {
        throw settings.bad(
          "architectures", .unsupported,
          expected: (family.map { [$0.classes[0]] } ?? all.map { $0.classes[0] }).map { "\"\($0)\"" }.joined(
            separator: ", "),
          advice: advice)
      }
    }
    guard let family, type != nil || names != nil else {
      throw settings.bad(
        "model_type", .unsupported,
        expected: all.map { "\"\($0.modelTypes[0])\"" }.joined(separator: ", "), advice: advice)
    }
    return family
  }

  /// The architecture that a GGUF file's metadata describe.
  static func architecture(_ file: GGUFFile) throws(ModelFilesError) -> Architecture {
    let keys = GGUFKeys(gguf: file)
    guard let name = file["general.architecture"]?.word, let family = all.first(where: { $0.name == name })
    else {
      throw keys.bad(
        "general.architecture", .unsupported, expected: all.map { "\"\($0.name)\"" }.joined(separator: ", "),
        advice: advice)
    }
    return try family.architecture(GGUFConfig(family: family, keys: keys))
  }
}
