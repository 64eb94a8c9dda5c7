import Foundation
import ModelFiles

/// Finds the two files of a PEFT adapter, and says what else is there if they are not.
struct PEFTFiles {
  let config: String
  /// Nil if there is a configuration alone; `violation` says so.
  let weights: String?
  let violation: AdapterError.Violation?

  private static let configName = "adapter_config.json"
  private static let weightsName = "adapter_model.safetensors"
  private static let expected = "a PEFT adapter: adapter_config.json and adapter_model.safetensors"

  init(path: String) throws(AdapterError) {
    var isDirectory = ObjCBool(false)
    guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw Self.error(path, .missing, "no such file or directory", "Check the path.")
    }
    if isDirectory.boolValue {
      try self.init(directory: path)
    } else {
      try self.init(file: path)
    }
  }

  private static func error(
    _ path: String, _ kind: AdapterError.Kind, _ found: String, _ advice: String
  ) -> AdapterError {
    AdapterError(
      path: path,
      violations: [.init(kind, file: path, found: found, expected: expected, advice: advice)])
  }

  private static let mlxAdvice = "MLX adapters are not read yet; convert to PEFT."

  private init(directory: String) throws(AdapterError) {
    let names = Set((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
    let pickle = names.contains("adapter_model.bin") ? "adapter_model.bin" : nil
    let mlx = ["adapters.safetensors", "adapters.npz"].first { names.contains($0) }
    guard names.contains(Self.configName) else {
      if let mlx {
        throw Self.error(directory, .unsupported("MLX"), mlx + ", an MLX adapter", Self.mlxAdvice)
      }
      if names.contains(Self.weightsName) || pickle != nil {
        throw Self.error(
          directory, .missing, (pickle ?? Self.weightsName) + " without adapter_config.json",
          "Get adapter_config.json: the scale stands there.")
      }
      if let checkpoint = names.filter({ $0.hasPrefix("checkpoint-") }).min() {
        throw Self.error(
          directory, .missing, "checkpoints, such as " + quoted(checkpoint), "Name one of the checkpoints.")
      }
      if names.contains("config.json") {
        throw Self.error(directory, .malformed, "a whole model (config.json)", "Name it as the base.")
      }
      throw Self.error(directory, .missing, "neither", "Check the path.")
    }
    config = directory + "/" + Self.configName
    if names.contains(Self.weightsName) {
      weights = directory + "/" + Self.weightsName
      violation = nil
    } else if let mlx {
      throw Self.error(directory, .unsupported("MLX"), mlx + ", an MLX adapter", Self.mlxAdvice)
    } else {
      weights = nil
      violation = .init(
        .missing, file: directory,
        found: pickle.map { "adapter_config.json and " + $0 + ", a Python pickle" }
          ?? "adapter_config.json alone, without weights",
        expected: Self.expected,
        advice: pickle == nil
          ? "Get adapter_model.safetensors: the matrices stand there."
          : "Pickles can run code and are not read: save the adapter again with safe_serialization=True.")
    }
  }

  private init(file: String) throws(AdapterError) {
    let url = URL(fileURLWithPath: file)
    let name = url.lastPathComponent
    let directory =
      file.hasSuffix(name) ? String(file.dropLast(name.count)) : url.deletingLastPathComponent().path
    guard name.hasSuffix(".safetensors") else {
      if name == "adapters.npz" {
        throw Self.error(file, .unsupported("MLX"), "an MLX adapter", Self.mlxAdvice)
      }
      let map: MappedFile
      do throws(ModelFilesError) {
        map = try MappedFile(path: file)
      } catch {
        throw AdapterError(path: file, violations: [.init(error)])
      }
      let format = ForeignFormat(map.bytes)
      throw Self.error(
        file, .malformed, format?.found(byteCount: map.byteCount) ?? "a file of another kind",
        format?.advice ?? "Name the adapter's directory.")
    }
    // Beside "run3__adapter_model.safetensors" stands "run3__adapter_config.json".
    let prefix = name.hasSuffix(Self.weightsName) ? String(name.dropLast(Self.weightsName.count)) : ""
    config = directory + prefix + Self.configName
    weights = file
    violation = nil
    guard FileManager.default.fileExists(atPath: config) else {
      let isMLX = name == "adapters.safetensors" || name.hasSuffix("_adapters.safetensors")
      throw Self.error(
        file, .missing, "no " + prefix + Self.configName + " beside it",
        isMLX ? Self.mlxAdvice : "Get adapter_config.json: the scale stands there.")
    }
  }
}
