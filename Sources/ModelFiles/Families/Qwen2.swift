/// Qwen2, Qwen2.5 and the R1 distills of them: biases on q, k and v.
enum Qwen2: Family {
  static let name = "qwen2"
  static let modelTypes = ["qwen2"]
  static let classes = ["Qwen2ForCausalLM"]
  static let models = "Qwen2 (Qwen2.5, R1-Distill-Qwen)"

  static func architecture(_ config: CheckpointConfig) throws(ModelFilesError) -> Architecture {
    var architecture = try config.sizes()
    architecture.biases = [.q, .k, .v]
    architecture.setWindows(try config.qwenWindows(architecture.layerCount))
    return architecture
  }

  static func architecture(_ config: GGUFConfig) throws(ModelFilesError) -> Architecture {
    var architecture = try config.sizes()
    architecture.biases = [.q, .k, .v]
    return architecture
  }
}
