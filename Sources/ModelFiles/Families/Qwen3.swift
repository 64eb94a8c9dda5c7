/// Qwen3, dense: a norm on each head's queries and keys, heads of their own width, no biases.
enum Qwen3: Family {
  static let name = "qwen3"
  static let modelTypes = ["qwen3"]
  static let classes = ["Qwen3ForCausalLM"]
  static let models = "Qwen3, dense"
  static let norms = TensorNames.preNorms.merging(TensorNames.headNorms) { $1 }

  static func architecture(_ config: CheckpointConfig) throws(ModelFilesError) -> Architecture {
    var architecture = try config.sizes(.init(headDim: 128))
    architecture.biases = try config.biases()
    architecture.setWindows(try config.qwenWindows(architecture.layerCount))
    return architecture
  }

  static func architecture(_ config: GGUFConfig) throws(ModelFilesError) -> Architecture {
    try config.sizes()
  }
}
