import Foundation
import ModelFiles

/// Finds the files of an adapter and tells its format by what they hold; says what else is there if it is none.
struct AdapterPlace {
  let path: String
  let format: AdapterFileFormat
  /// Path of `adapter_config.json`, of PEFT and MLX, and what it holds.
  var config: (path: String, contents: Result<JSONObject, ModelFilesError>)?
  /// The tensors' file; nil if there is a configuration alone, `violation` says so.
  var weights: String?
  /// `adapter_model.safetensors.index.json` if the tensors are in several files.
  var index: String?
  var violation: AdapterError.Violation?

  private static let configName = "adapter_config.json"
  private static let weightsName = "adapter_model.safetensors"
  private static let indexName = "adapter_model.safetensors.index.json"
  private static let mlxName = "adapters.safetensors"
  private static let expected =
    "a PEFT adapter (adapter_config.json and adapter_model.safetensors), an MLX adapter (adapter_config.json"
    + " and adapters.safetensors), a GGUF adapter or a .tina file"

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

  private static let configAdvice = "Get adapter_config.json: the scale stands there."

  /// How to turn a pickle into safetensors without running code that may be in it.
  static let pickleAdvice =
    "Pickles can run code and are not read: save the adapter again with safe_serialization=True, or convert it"
    + " without running its code: python -c \"import torch, safetensors.torch as s;"
    + " s.save_file({k: v.contiguous() for k, v in torch.load('adapter_model.bin', weights_only=True).items()},"
    + " 'adapter_model.safetensors')\"."

  static let npzAdvice =
    "Old MLX archives are not read: convert it with python -c \"import numpy as n, safetensors.numpy as s;"
    + " s.save_file(dict(n.load('adapters.npz')), 'adapters.safetensors')\"."

  /// The configuration is MLX's if it has what only MLX's has.
  private static func isMLX(_ config: Result<JSONObject, ModelFilesError>) -> Bool {
    guard case .success(let object) = config, object["peft_type"] == nil else { return false }
    return ["fine_tune_type", "lora_parameters", "lora_layers"].contains { object[$0] != nil }
  }

  private static func contents(_ config: String) -> Result<JSONObject, ModelFilesError> {
    Result { () throws(ModelFilesError) in try JSON.object(path: config) }
  }

  private init(directory: String) throws(AdapterError) {
    path = directory
    let names = Set((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
    let pickle = names.contains("adapter_model.bin") ? "adapter_model.bin" : nil
    guard names.contains(Self.configName) else {
      let single = names.filter { $0.hasSuffix(".tina") }
      if single.count == 1, let name = single.first {
        format = .tina
        weights = directory + "/" + name
        return
      }
      throw Self.error(directory, Self.missing(names))
    }
    let contents = Self.contents(directory + "/" + Self.configName)
    config = (directory + "/" + Self.configName, contents)
    if Self.isMLX(contents) || (names.contains(Self.mlxName) && !names.contains(Self.weightsName)) {
      format = .mlx
      if names.contains(Self.mlxName) {
        weights = directory + "/" + Self.mlxName
      } else if names.contains("adapters.npz") {
        throw Self.error(directory, .unsupported("npz"), "adapters.npz, an MLX adapter", Self.npzAdvice)
      } else if names.contains(Self.weightsName) {
        weights = directory + "/" + Self.weightsName
      } else {
        violation = .init(
          .missing, file: directory, found: "the adapter_config.json of MLX alone, without weights",
          expected: "adapters.safetensors beside it", advice: "Get adapters.safetensors.")
      }
      return
    }
    format = .peft
    if names.contains(Self.weightsName) {
      weights = directory + "/" + Self.weightsName
    } else if names.contains(Self.indexName) {
      weights = directory + "/" + Self.indexName
      index = weights
    } else if names.contains("adapters.npz") {
      throw Self.error(directory, .unsupported("npz"), "adapters.npz, an MLX adapter", Self.npzAdvice)
    } else {
      violation = .init(
        .missing, file: directory,
        found: pickle.map { "adapter_config.json and " + $0 + ", a Python pickle" }
          ?? "adapter_config.json alone, without weights",
        expected: "a PEFT adapter: adapter_config.json and adapter_model.safetensors",
        advice: pickle == nil ? "Get adapter_model.safetensors: the matrices stand there." : Self.pickleAdvice
      )
    }
  }

  private static func error(
    _ path: String, _ what: (kind: AdapterError.Kind, found: String, advice: String)
  ) -> AdapterError {
    error(path, what.kind, what.found, what.advice)
  }

  /// What a directory without configuration is.
  private static func missing(
    _ names: Set<String>
  ) -> (kind: AdapterError.Kind, found: String, advice: String) {
    if names.contains("adapters.npz") {
      return (.unsupported("npz"), "adapters.npz, an MLX adapter", npzAdvice)
    }
    let weights = [weightsName, indexName, "adapter_model.bin"].first { names.contains($0) }
    if let weights { return (.missing, weights + " without adapter_config.json", configAdvice) }
    if names.contains(mlxName) {
      return (.missing, mlxName + ", an MLX adapter, without adapter_config.json", configAdvice)
    }
    if let checkpoint = names.filter({ $0.hasPrefix("checkpoint-") }).min() {
      return (.missing, "checkpoints, such as " + quoted(checkpoint), "Name one of the checkpoints.")
    }
    if names.contains("config.json") {
      return (.malformed, "a whole model (config.json)", "Name it as the base.")
    }
    let files = names.filter { $0.hasSuffix(".tina") || $0.hasSuffix(".gguf") }
    if let file = files.min() {
      return (.missing, "\(files.count) files, such as " + quoted(file), "Name the file itself.")
    }
    return (.missing, "neither", "Check the path.")
  }

  private init(file: String) throws(AdapterError) {
    path = file
    let map: MappedFile
    do throws(ModelFilesError) {
      map = try MappedFile(path: file)
    } catch {
      throw AdapterError(path: file, violations: [.init(error)])
    }
    let kind = ForeignFormat(map.bytes)
    let url = URL(fileURLWithPath: file)
    let name = url.lastPathComponent
    let directory =
      file.hasSuffix(name) ? String(file.dropLast(name.count)) : url.deletingLastPathComponent().path
    if kind == .gguf {
      format = .gguf
      weights = file
      return
    }
    if map.byteCount >= TinaHeader.signature.count,
      map.copy(0..<TinaHeader.signature.count) == TinaHeader.signature
    {
      format = .tina
      weights = file
      return
    }
    guard kind == .safetensors || name.hasSuffix(".safetensors") else {
      if name.hasSuffix(".npz") {
        throw Self.error(
          file, .unsupported("npz"), name + ", an MLX adapter in numpy's archive", Self.npzAdvice)
      }
      let advice = kind == .zip || kind == .pickle ? Self.pickleAdvice : kind?.advice
      throw Self.error(
        file, .malformed, kind?.found(byteCount: map.byteCount) ?? "a file of another kind",
        advice ?? "Name the adapter's directory.")
    }
    // Beside "run3__adapter_model.safetensors" stands "run3__adapter_config.json".
    let prefix = name.hasSuffix(Self.weightsName) ? String(name.dropLast(Self.weightsName.count)) : ""
    let config = directory + prefix + Self.configName
    guard FileManager.default.fileExists(atPath: config) else {
      throw Self.error(
        file, .missing, "no " + prefix + Self.configName + " beside it", Self.configAdvice)
    }
    let contents = Self.contents(config)
    self.config = (config, contents)
    weights = file
    format = Self.isMLX(contents) ? .mlx : .peft
  }
}
