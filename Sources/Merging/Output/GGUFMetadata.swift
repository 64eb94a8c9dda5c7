import Foundation
import ModelFiles
import Support
import Tokenization

/// The metadata of a GGUF file that holds a model.
enum GGUFMetadata {
  /// Keys and values for a file of `type` that holds the model of `directory`.
  ///
  /// A base that is a GGUF file keeps its metadata. A Hugging Face directory is described as llama.cpp's converter
  /// describes it.
  static func describing(
    _ directory: StoredModel, type: GGUFFileType
  ) throws -> [(key: String, value: GGUFValue)] {
    let version: (key: String, value: GGUFValue) = ("general.quantization_version", .uint32(2))
    let fileType: (key: String, value: GGUFValue) = ("general.file_type", .uint32(type.code))
    if let file = directory.gguf {
      // The output is one file, even if the base was split.
      let replaced = [version.key, fileType.key]
      return file.metadata.filter { !replaced.contains($0.key) && !$0.key.hasPrefix("split.") } + [
        fileType, version,
      ]
    }
    let config = directory.config
    let lost = unstated(config)
    guard lost.isEmpty else { throw refusal(config, lost) }
    let family = config.family
    var metadata: [(key: String, value: GGUFValue)] = [
      ("general.architecture", .text(family)), ("general.type", .text("model")),
    ]
    metadata += sampling(directory.generation)
    let name = URL(fileURLWithPath: directory.path).standardizedFileURL.lastPathComponent
    if !name.isEmpty, name != "/" { metadata.append(("general.name", .text(name))) }
    metadata += [
      ("general.size_label", .text(sizeLabel(parameterCount(directory)))),
      (family + ".block_count", .uint32(UInt32(config.layerCount))),
      (family + ".context_length", .uint32(UInt32(config.maxPositions))),
      (family + ".embedding_length", .uint32(UInt32(config.hiddenSize))),
      (family + ".feed_forward_length", .uint32(UInt32(config.intermediateSize))),
      (family + ".attention.head_count", .uint32(UInt32(config.headCount))),
      (family + ".attention.head_count_kv", .uint32(UInt32(config.keyValueHeadCount))),
      (family + ".rope.freq_base", .float32(Float(config.ropeTheta))),
      (family + ".attention.layer_norm_rms_epsilon", .float32(config.rmsNormEps)),
    ]
    if config.headDim * config.headCount != config.hiddenSize {
      metadata += [
        (family + ".attention.key_length", .uint32(UInt32(config.headDim))),
        (family + ".attention.value_length", .uint32(UInt32(config.headDim))),
      ]
    }
    metadata += rotary(config) + windows(config)
    metadata += [fileType, version]
    if FileManager.default.fileExists(atPath: directory.path + "/tokenizer.json") {
      metadata += try Tokenizer.ggufMetadata(directory: directory.path, idCount: config.vocabSize)
    } else {
      metadata += [
        (family + ".vocab_size", .uint32(UInt32(config.vocabSize))),
        ("tokenizer.ggml.model", .text("no_vocab")),
      ]
    }
    return metadata
  }

  /// What a file of this kind cannot say.
  static func refusal(_ config: Architecture, _ settings: [String]) -> MergeError {
    .invalidSetting(
      name: "output",
      found: "a GGUF file of a model whose \(settings.joined(separator: " and ")) it can't state",
      expected: "what llama.cpp's \(config.family) computes: merge into a directory instead")
  }

  /// The settings that a file of the family has no keys for.
  private static func unstated(_ config: Architecture) -> [String] {
    var names: [String] = []
    let isGemma = config.family == "gemma3"
    let takesBiases = ["llama", "smollm3"].contains(config.family)
    let usualBiases: Set<Projection> = config.family == "qwen2" ? [.q, .k, .v] : []
    if !takesBiases, config.biases != usualBiases { names.append("biases") }
    // llama.cpp takes it from the width of heads; only the 27B has another.
    let scale = 1 / Float(config.headDim).squareRoot()
    if isGemma, config.layerCount != 62, abs(config.queryScale - scale) > 1e-6 * scale {
      names.append("query scale")
    }
    if case .yarn(_, _, _, _, _, let truncates) = config.rotary.scaling, !truncates {
      names.append("rotary scaling")
    }
    let isUsual = config.attention.indices.allSatisfy {
      (config.attention[$0].rotary != nil) == (($0 + 1) % 4 != 0)
    }
    if config.family == "smollm3", !isUsual { names.append("layers without rotation") }
    if isGemma, config.slidingWindow == nil { names.append("layers without a window") }
    if !isGemma, config.slidingWindow != nil { names.append("sliding windows") }
    return names
  }

  private static func rotary(_ config: Architecture) -> [(key: String, value: GGUFValue)] {
    let start = config.family + ".rope.scaling."
    switch config.rotary.scaling {
    case .none, .llama3, .divided: return []
    case .linear(let factor):
      return [(start + "type", .text("linear")), (start + "factor", .float32(Float(factor)))]
    case .yarn(let factor, let original, let attention, let betaFast, let betaSlow, _):
      let usual = factor <= 1 ? 1 : 0.1 * log(factor) + 1
      var keys: [(key: String, value: GGUFValue)] = [
        (start + "type", .text("yarn")), (start + "factor", .float32(Float(factor))),
        (start + "original_context_length", .uint32(UInt32(original))),
      ]
      if attention != usual { keys.append((start + "attn_factor", .float32(Float(attention / usual)))) }
      if betaFast != 32 { keys.append((start + "yarn_beta_fast", .float32(Float(betaFast)))) }
      if betaSlow != 1 { keys.append((start + "yarn_beta_slow", .float32(Float(betaSlow)))) }
      return keys
    }
  }

  /// Windows, where the family has them.
  private static func windows(_ config: Architecture) -> [(key: String, value: GGUFValue)] {
    guard let window = config.slidingWindow else { return [] }
    var keys: [(key: String, value: GGUFValue)] = [
      ("gemma3.attention.sliding_window", .uint32(UInt32(clamping: window)))
    ]
    let period = (config.attention.firstIndex { $0.window == nil } ?? config.layerCount) + 1
    if period != 6 { keys.append(("gemma3.attention.sliding_window_pattern", .uint32(UInt32(period)))) }
    let local = config.attention.lazy.compactMap { $0.window == nil ? nil : $0.rotary }.first
    if let local, local.base != 10000 {
      keys.append(("gemma3.rope.freq_base_swa", .float32(Float(local.base))))
    }
    return keys
  }

  /// The tensor that holds Llama 3's scaling of frequencies; nil without such a scaling.
  static func divisors(_ config: Architecture) -> Tensor? {
    let rotary = config.rotary
    guard case .llama3 = rotary.scaling else { return nil }
    var unscaled = rotary
    unscaled.scaling = .none
    let plain = unscaled.frequencies(width: config.headDim)
    let divisors = zip(plain, rotary.frequencies(width: config.headDim)).map { $0 / $1 }
    return Tensor(name: "rope_freqs.weight", shape: [divisors.count], floats: divisors)
  }

  private static func sampling(_ generation: GenerationConfig) -> [(key: String, value: GGUFValue)] {
    var metadata: [(key: String, value: GGUFValue)] = []
    if let value = generation.topK.flatMap({ Int32(exactly: $0) }) {
      metadata.append(("general.sampling.top_k", .int32(value)))
    }
    for (key, value) in [
      ("top_p", generation.topP), ("min_p", generation.minP), ("temp", generation.temperature),
      ("penalty_repeat", generation.repetitionPenalty),
    ] {
      if let value { metadata.append(("general.sampling." + key, .float32(Float(value)))) }
    }
    return metadata
  }

  private static func parameterCount(_ directory: StoredModel) -> Int {
    directory.weights.tensors.values.reduce(0) { $0 + $1.elementCount }
  }

  /// A number of parameters in two digits or more: 1.1M, 1.8B.
  static func sizeLabel(_ count: Int) -> String {
    let value = Double(count)
    let (scaled, unit): (Double, String) =
      value > 1e12
      ? (value / 1e12, "T")
      : value > 1e9
        ? (value / 1e9, "B")
        : value > 1e6 ? (value / 1e6, "M") : (value / 1e3, "K")
    return decimal(scaled, scaled < 9.5 ? 1 : 0) + unit
  }
}
