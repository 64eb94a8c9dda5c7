/// A model in one GGUF file: its configuration, and its weights under the names of the Hugging Face checkpoint.
package struct GGUFModel {
  let config: Architecture
  let weights: WeightFiles
  let generation: GenerationConfig

  /// Reads a file of a known family.
  ///
  /// - Throws: ``ModelFilesError`` naming the key or tensor that is missing, out of range or not of its family.
  init(_ file: GGUFFile) throws(ModelFilesError) {
    let keys = GGUFKeys(gguf: file)
    guard file["general.type"].map({ $0.word == "model" }) ?? true else {
      throw keys.bad(
        "general.type", .unsupported, expected: "\"model\"",
        advice: "Name the base model here, and an adapter with --adapter.")
    }
    config = try Families.architecture(file)
    var tensors: [String: Tensor] = [:]
    for tensor in file.tensors where tensor.name != GGUFConfig.divisors {
      guard let name = config.checkpointName(ofGGUF: tensor.name) else {
        throw ModelFilesError(
          .badTensor, file: file.path, place: "tensor " + quoted(tensor.name),
          found: "a tensor that is not part of \(config.family)",
          expected: "names such as \"blk.0.attn_q.weight\"")
      }
      tensors[name] = config.fromGGUF(tensor.renamed(name))
    }
    weights = WeightFiles(tensors: tensors, files: file.files)
    generation = try Self.generation(keys)
  }

  /// The sampling that the model's makers recommend, as llama.cpp's converter copies it from generation_config.json.
  private static func generation(_ keys: GGUFKeys) throws(ModelFilesError) -> GenerationConfig {
    var generation = GenerationConfig()
    generation.temperature = try keys.number("general.sampling.temp", 0...1e6)
    generation.topP = try keys.number("general.sampling.top_p", 0...1)
    generation.topK = try keys.integer("general.sampling.top_k", 0...Int(Int32.max))
    generation.minP = try keys.number("general.sampling.min_p", 0...1)
    generation.repetitionPenalty = try keys.number("general.sampling.penalty_repeat", 1e-6...1e6)
    // The converter leaves do_sample out: a temperature above 0 implies it.
    if let temperature = generation.temperature { generation.doSample = temperature > 0 }
    return generation
  }
}

/// A GGUF file's settings.
struct GGUFKeys: CheckedSettings {
  let gguf: GGUFFile

  var file: String { gguf.path }
  var prefix: String { "" }

  func isSet(_ key: String) -> Bool { gguf[key] != nil }

  func whole(_ key: String) -> Int? { gguf[key]?.integer }

  func real(_ key: String) -> Double? { gguf[key]?.float }

  func summary(_ key: String) -> String? { gguf[key]?.summary }
}
