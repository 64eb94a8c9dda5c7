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
    guard directory.config.family == "qwen2" else {
      throw MergeError.invalidSetting(
        name: "output", found: "a GGUF file of a model of \(directory.config.family)",
        expected: "one of qwen2")
    }
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
    guard config.slidingWindow == nil else {
      throw MergeError.invalidSetting(
        name: "output", found: "a GGUF file of a model with a sliding window",
        expected: "a model without one: llama.cpp's qwen2 has none")
    }
    var metadata: [(key: String, value: GGUFValue)] = [
      ("general.architecture", .text("qwen2")), ("general.type", .text("model")),
    ]
    metadata += sampling(directory.generation)
    let name = URL(fileURLWithPath: directory.path).standardizedFileURL.lastPathComponent
    if !name.isEmpty, name != "/" { metadata.append(("general.name", .text(name))) }
    metadata += [
      ("general.size_label", .text(sizeLabel(parameterCount(directory)))),
      ("qwen2.block_count", .uint32(UInt32(config.layerCount))),
      ("qwen2.context_length", .uint32(UInt32(config.maxPositions))),
      ("qwen2.embedding_length", .uint32(UInt32(config.hiddenSize))),
      ("qwen2.feed_forward_length", .uint32(UInt32(config.intermediateSize))),
      ("qwen2.attention.head_count", .uint32(UInt32(config.headCount))),
      ("qwen2.attention.head_count_kv", .uint32(UInt32(config.keyValueHeadCount))),
      ("qwen2.rope.freq_base", .float32(Float(config.ropeTheta))),
      ("qwen2.attention.layer_norm_rms_epsilon", .float32(config.rmsNormEps)),
    ]
    if config.headDim * config.headCount != config.hiddenSize {
      metadata += [
        ("qwen2.attention.key_length", .uint32(UInt32(config.headDim))),
        ("qwen2.attention.value_length", .uint32(UInt32(config.headDim))),
      ]
    }
    metadata += [fileType, version]
    if FileManager.default.fileExists(atPath: directory.path + "/tokenizer.json") {
      metadata += try Tokenizer.ggufMetadata(directory: directory.path, idCount: config.vocabSize)
    } else {
      metadata += [
        ("qwen2.vocab_size", .uint32(UInt32(config.vocabSize))), ("tokenizer.ggml.model", .text("no_vocab")),
      ]
    }
    return metadata
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
