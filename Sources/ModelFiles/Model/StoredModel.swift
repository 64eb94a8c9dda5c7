import Foundation

/// A model on disk: a directory in Hugging Face's layout, or a GGUF file.
public struct StoredModel: Sendable {
  /// The directory or GGUF file, as it was given.
  public let path: String
  /// The settings in `config.json` or in the GGUF file.
  public let config: Architecture
  /// The settings in `generation_config.json`, empty without that file, or in the GGUF file.
  public let generation: GenerationConfig
  /// The weights, mapped.
  public let weights: WeightFiles
  /// The GGUF file that is the whole model; nil for a directory.
  public let gguf: GGUFFile?

  /// Opens a directory or a GGUF file. The runtime checks names and shapes of the tensors.
  ///
  /// - Throws: ``ModelFilesError`` of the first thing that is missing or wrong.
  public init(path: String) throws(ModelFilesError) {
    var isDirectory = ObjCBool(false)
    guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw ModelFilesError(
        .missing, file: path, found: "no such directory", expected: "a model's directory",
        advice: "Check the path.")
    }
    if !isDirectory.boolValue, try Self.isGGUF(path) {
      let file = try GGUFFile(path: path)
      let model = try GGUFModel(file)
      self.path = path
      config = model.config
      weights = model.weights
      generation = model.generation
      gguf = file
      return
    }
    let wanted = "a directory with config.json and model.safetensors, or a GGUF file"
    guard isDirectory.boolValue else {
      throw ModelFilesError(
        .unreadable, file: path, found: "a file", expected: wanted, advice: "Name the directory it is in.")
    }
    guard FileManager.default.fileExists(atPath: path + "/config.json") else {
      let isAdapter = FileManager.default.fileExists(atPath: path + "/adapter_config.json")
      throw ModelFilesError(
        .missing, file: path, found: isAdapter ? "an adapter without its base" : "no config.json",
        expected: wanted,
        advice: isAdapter ? "Name the base model's directory, and this one as its adapter." : "")
    }
    self.path = path
    gguf = nil
    config = try Architecture(path: path + "/config.json")
    let generationPath = path + "/generation_config.json"
    generation =
      FileManager.default.fileExists(atPath: generationPath)
      ? try GenerationConfig(path: generationPath) : GenerationConfig()
    weights = try WeightFiles(directory: path).withoutOuterPrefix()
  }

  /// The same model with other numbers in some of its tensors.
  ///
  /// - Parameter isTied: whether its head is the embedding; nil for as before.
  package func replacing(_ tensors: [String: Tensor], isTied: Bool? = nil) -> StoredModel {
    var config = config
    if let isTied { config.tieWordEmbeddings = isTied }
    return StoredModel(
      path: path, config: config, generation: generation, weights: weights.replacing(tensors), gguf: gguf)
  }

  private init(
    path: String, config: Architecture, generation: GenerationConfig, weights: WeightFiles, gguf: GGUFFile?
  ) {
    self.path = path
    self.config = config
    self.generation = generation
    self.weights = weights
    self.gguf = gguf
  }

  /// The first quantised tensor of a GGUF file, in the order of the file's own names; nil if there is none.
  package var quantisedTensor: Tensor? {
    gguf?.tensors.filter(\.elementType.isQuantised).min { $0.name < $1.name }
  }

  /// Whether a file's first bytes are GGUF's.
  private static func isGGUF(_ path: String) throws(ModelFilesError) -> Bool {
    let file = try MappedFile(path: path)
    return file.byteCount >= 4 && file.copy(0..<4) == Array("GGUF".utf8)
  }

  /// Every token that ends a text: those of `config.json`, `generation_config.json` and `tokenizer_config.json`, and
  /// the ends of turns that the chat template writes; or those of the GGUF file.
  public var eosTokenIDs: [Int] {
    var ids = config.eosTokenIDs
    let others = generation.eosTokenIDs + (gguf == nil ? TokenizerEnd.ids(directory: path) : [])
    for id in others where !ids.contains(id) { ids.append(id) }
    return ids
  }
}
