import Foundation
import ModelFiles

/// The files beside a model's weights that are copied to the merged model.
struct CarriedFiles {
  /// Names of files to copy.
  private(set) var names: [String] = []
  /// Names that stay behind: weights in other formats, adapters, folders.
  private(set) var leftOut: [String] = []
  private let directory: String

  init(_ directory: String) {
    self.directory = directory
    for name in ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted() {
      var isDirectory = ObjCBool(false)
      let exists = unsafe FileManager.default.fileExists(
        atPath: directory + "/" + name, isDirectory: &isDirectory)
      if name == "merge-report.json" || name == "config.json" || Self.isOurWeights(name) { continue }
      if !exists || isDirectory.boolValue || Self.isStale(name) {
        leftOut.append(name + (isDirectory.boolValue ? "/" : ""))
      } else {
        names.append(name)
      }
    }
  }

  /// Weights that the merged ones replace.
  private static func isOurWeights(_ name: String) -> Bool {
    name.hasSuffix(".safetensors") || name.hasSuffix(".safetensors.index.json")
  }

  /// Whether a file would contradict the merged weights: the base's weights in other formats, or an adapter, which
  /// transformers would apply a second time.
  private static func isStale(_ name: String) -> Bool {
    let endings = [".gguf", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".npz", ".ot"]
    return endings.contains { name.hasSuffix($0) } || name.hasPrefix("adapter_")
      || ((name.hasPrefix("pytorch_model") || name.hasPrefix("model"))
        && (name.hasSuffix(".bin") || name.hasSuffix(".bin.index.json")))
  }

  /// Copies the files, and `config.json` with the element type that the weights now have.
  func copy(to target: String, elementType: ElementType?, isUntied: Bool = false) throws(ModelFilesError) {
    for name in names {
      let file = try MappedFile(path: directory + "/" + name)
      let writer = try FileWriter(path: target + "/" + name)
      try writer.write(file.bytes)
      try file.checkUnchanged()
      try writer.finish()
    }
    let file = try MappedFile(path: directory + "/config.json")
    try FileWriter.write(try Self.config(file, elementType, isUntied), to: target + "/config.json")
  }

  /// The bytes of `config.json`, unchanged if they say the right type already.
  private static func config(
    _ file: MappedFile, _ elementType: ElementType?, _ isUntied: Bool
  ) throws(ModelFilesError) -> [UInt8] {
    let bytes = file.copy(0..<file.byteCount)
    guard elementType != nil || isUntied, let object = try JSON.parse(bytes, file: file.path).object else {
      return bytes
    }
    var changed = object
    if let elementType {
      let name =
        switch elementType {
        case .f32: "float32"
        case .f16: "float16"
        default: "bfloat16"
        }
      // transformers 4 writes torch_dtype, transformers 5 dtype.
      let keys = ["torch_dtype", "dtype"].filter { object[$0] != nil }
      for key in keys.isEmpty ? ["torch_dtype"] : keys { changed = changed.with(key, .string(name)) }
    }
    if isUntied {
      let key = "tie_word_embeddings"
      if let text = object["text_config"]?.object {
        changed = changed.with("text_config", .object(text.with(key, .bool(false))))
      }
      changed = changed.with(key, .bool(false))
    }
    return changed == object ? bytes : Array((JSONValue.object(changed).text(indent: 2) + "\n").utf8)
  }
}
