import Foundation
public import ModelFiles
import Support
import TinaRuntime

/// Random weights of a real model's shape, for measuring: speed does not depend on their values.
public enum RandomModel {
  /// The shape of DeepSeek-R1-Distill-Qwen-1.5B: 1.78 G parameters, 3.55 GB.
  public static let shape1B5 = #"""
    {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu", "hidden_size": 1536,
     "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
     "vocab_size": 151936, "max_position_embeddings": 131072, "rms_norm_eps": 1e-06, "rope_theta": 10000,
     "sliding_window": 4096, "use_sliding_window": false, "max_window_layers": 21, "use_mrope": false,
     "tie_word_embeddings": false, "torch_dtype": "bfloat16", "bos_token_id": 151646, "eos_token_id": 151643}
    """#

  /// Writes a model's directory: `config.json` as given, bf16 weights, and a tokenizer that knows bytes, so
  /// that every command takes the model.
  ///
  /// - Throws: `ModelFilesError` for a configuration that is none, and files that cannot be written.
  public static func write(config text: String, to path: String) throws {
    try makeFolder(path)
    let lock = try lock(path, file: path + "/" + FolderLock.name, purpose: "tina bench")
    defer { withExtendedLifetime(lock) {} }
    try FileWriter.write(Array(text.utf8), to: path + "/config.json.partial")
    let config = try Architecture(path: path + "/config.json.partial")
    try SafetensorsWriter.write(
      tensors(config.tensorShapes, seed: 1), metadata: [("format", "pt")], to: path + "/model.safetensors")
    try FileWriter.write(tokenizer(idCount: config.vocabSize), to: path + "/tokenizer.json")
    // The configuration comes last: a directory that has one is complete.
    try FileWriter.write(Array(text.utf8), to: path + "/config.json")
    unsafe unlink(path + "/config.json.partial")
  }

  /// A tokenizer of bytes. Its other tokens have names, so that every id can be drawn and shown.
  static func tokenizer(idCount: Int) -> [UInt8] {
    // GPT-2's characters for bytes: those that can be shown are themselves, the others follow from 256 on.
    var shifted: UInt32 = 256
    let characters = (0..<256).map { byte -> Unicode.Scalar in
      if (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174 {
        return Unicode.Scalar(UInt8(byte))
      }
      defer { shifted += 1 }
      return Unicode.Scalar(shifted) ?? " "
    }
    let names = (0..<max(idCount, 256)).map { $0 < 256 ? String(Character(characters[$0])) : "t\($0)" }
    let vocabulary = JSONObject(names.enumerated().map { (key: $1, value: JSONValue($0)) })
    let expression =
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"#
      + #"|\s+(?!\S)|\s+"#
    let byteLevel: [(key: String, value: JSONValue)] = [
      ("type", .string("ByteLevel")), ("add_prefix_space", .bool(false)), ("trim_offsets", .bool(false)),
      ("use_regex", .bool(false)),
    ]
    let split = JSONObject([
      ("type", .string("Split")), ("pattern", .object(JSONObject([("Regex", .string(expression))]))),
      ("behavior", .string("Isolated")), ("invert", .bool(false)),
    ])
    let file = JSONObject([
      ("version", .string("1.0")), ("added_tokens", .array([])), ("normalizer", .null),
      (
        "pre_tokenizer",
        .object(
          JSONObject([
            ("type", .string("Sequence")),
            ("pretokenizers", .array([.object(split), .object(JSONObject(byteLevel))])),
          ]))
      ), ("post_processor", .null), ("decoder", .object(JSONObject(byteLevel))),
      (
        "model",
        .object(
          JSONObject([
            ("type", .string("BPE")), ("ignore_merges", .bool(false)), ("vocab", .object(vocabulary)),
            ("merges", .array([])),
          ]))
      ),
    ])
    return Array(JSONValue.object(file).text().utf8)
  }

  /// Writes a PEFT adapter of all seven projections, in bf16.
  ///
  /// - Throws: `ModelFilesError` for files that cannot be written.
  public static func writeAdapter(rank: Int, for config: Architecture, seed: UInt64, to path: String) throws {
    try makeFolder(path)
    let lock = try lock(path, file: path + "/" + FolderLock.name, purpose: "tina bench")
    defer { withExtendedLifetime(lock) {} }
    var shapes: [(String, [Int])] = []
    for layer in 0..<config.layerCount {
      for projection in Projection.allCases {
        let (out, input) = projection.shape(config)
        let prefix = "base_model.model.model.layers.\(layer).\(projection.path)."
        shapes.append((prefix + "lora_A.weight", [rank, input]))
        shapes.append((prefix + "lora_B.weight", [out, rank]))
      }
    }
    try SafetensorsWriter.write(
      tensors(shapes, seed: seed), metadata: [("format", "pt")], to: path + "/adapter_model.safetensors")
    let targets = Projection.allCases.map { "\"\($0.name)\"" }.joined(separator: ", ")
    let text = """
      {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": \(rank), "lora_alpha": \(rank), "bias": "none",
       "lora_dropout": 0.0, "target_modules": [\(targets)]}
      """
    try FileWriter.write(Array(text.utf8), to: path + "/adapter_config.json")
  }

  /// Tensors that all begin at the same random numbers: no more memory than the largest takes.
  private static func tensors(_ shapes: [(name: String, shape: [Int])], seed: UInt64) -> [Tensor] {
    let largest = shapes.map { 2 * $0.shape.reduce(1, *) }.max() ?? 0
    let memory = unsafe OwnedBytes(
      byteCount: largest,
      unsafelyFilledBy: { (target: UnsafeMutableRawBufferPointer) in
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        var place = 0
        while place < largest {
          state ^= state << 13
          state ^= state >> 7
          state ^= state << 17
          // ±(1 ... 2) / 64: sign and mantissa random, one exponent.
          for part in 0..<4 where place + 2 * part < largest {
            let bits = UInt16(truncatingIfNeeded: state >> (16 * part)) & 0x807F | 0x3C80
            unsafe target.storeBytes(of: bits.littleEndian, toByteOffset: place + 2 * part, as: UInt16.self)
          }
          place += 8
        }
      })
    return shapes.map { item in
      Tensor(
        name: item.name, elementType: .bf16, shape: item.shape, storage: .memory(memory),
        byteRange: 0..<2 * item.shape.reduce(1, *))
    }
  }
}
