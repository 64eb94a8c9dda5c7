/// Llama 2 and 3, TinyLlama, SmolLM2: no biases unless asked for; Llama 3's frequencies are scaled.
enum Llama: Family {
  static let name = "llama"
  static let modelTypes = ["llama"]
  static let classes = ["LlamaForCausalLM"]
  static let models = "Llama (Llama 2 and 3, TinyLlama, SmolLM2)"
  static let pairsAreAdjacentInGGUF = true

  static func architecture(_ config: CheckpointConfig) throws(ModelFilesError) -> Architecture {
    var architecture = try config.sizes(.init(maxPositions: 2048))
    architecture.biases = try config.biases()
    return architecture
  }

  static func architecture(_ config: GGUFConfig) throws(ModelFilesError) -> Architecture {
    var architecture = try config.sizes()
    architecture.biases = config.biases()
    return architecture
  }
}

extension GGUFConfig {
  /// The projections that have a bias in the first layer: no key tells.
  func biases() -> Set<Projection> {
    let names = Set(keys.gguf.tensors.lazy.map(\.name).filter { $0.hasSuffix(".bias") })
    return Set(Projection.allCases.filter { names.contains("blk.0.\($0.ggufName).bias") })
  }
}
