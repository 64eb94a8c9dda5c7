import Foundation

/// The weights of a Hugging Face directory: `model.safetensors`, or the shards that
/// `model.safetensors.index.json` lists; or those of a GGUF file.
public struct WeightFiles: Sendable {
  /// Every tensor by its name in the checkpoint, which is the tensor's own name too.
  public let tensors: [String: Tensor]
  /// Paths of the files that hold them.
  public let files: [String]

  /// Opens the weights and checks every file as a whole, without reading the numbers.
  ///
  /// - Parameter directory: the model's directory.
  /// - Throws: ``ModelFilesError`` if there are no weights, a shard is missing, or index and shards disagree.
  public init(directory: String) throws(ModelFilesError) {
    let single = directory + "/model.safetensors"
    let index = directory + "/model.safetensors.index.json"
    if FileManager.default.fileExists(atPath: single) {
      let file = try SafetensorsFile(path: single)
      tensors = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) })
      files = [single]
    } else if FileManager.default.fileExists(atPath: index) {
      (tensors, files) = try Self.openShards(directory, index: index)
    } else {
      throw Self.absent(directory)
    }
    guard !tensors.isEmpty else {
      throw ModelFilesError(.malformed, file: files.first ?? index, found: "no tensors", expected: "weights")
    }
  }

  /// Opens the shards that an index file lists, whatever its name.
  ///
  /// - Parameter index: a `….safetensors.index.json`; the shards lie in its folder.
  /// - Throws: ``ModelFilesError`` if a shard is missing, or index and shards disagree.
  public init(index: String, _ residence: MappedFile.Residence = .mapped) throws(ModelFilesError) {
    let slash = index.utf8.lastIndex(of: UInt8(ascii: "/"))
    (tensors, files) = try Self.openShards(
      slash.map { String(index[..<$0]) } ?? ".", index: index, residence)
  }

  /// The same weights with some tensors replaced by others of the same names and shapes.
  package func replacing(_ others: [String: Tensor]) -> WeightFiles {
    WeightFiles(tensors: tensors.merging(others) { $1 }, files: files)
  }

  /// The same weights with the names that a language model has by itself, where it is part of a larger one.
  ///
  /// - Throws: ``ModelFilesError`` if two tensors get one name.
  func withoutOuterPrefix() throws(ModelFilesError) -> WeightFiles {
    var renamed: [String: Tensor] = [:]
    for (name, tensor) in tensors {
      let inner = Self.innerName(name)
      guard renamed.updateValue(inner == name ? tensor : tensor.renamed(inner), forKey: inner) == nil else {
        throw ModelFilesError(
          .badTensor, file: tensor.file?.path ?? "", place: "tensor " + quoted(name),
          found: "the same name as another without its prefix", expected: "every tensor once")
      }
    }
    return WeightFiles(tensors: renamed, files: files)
  }

  /// The name that a language model's tensor has by itself.
  package static func innerName(_ name: String) -> String {
    let prefixes = [
      ("language_model.model.", "model."), ("model.language_model.", "model."),
      ("language_model.lm_head.", "lm_head."),
    ]
    let prefix = prefixes.first { name.utf8.starts(with: $0.0.utf8) }
    return prefix.map { $0.1 + name.dropFirst($0.0.count) } ?? name
  }

  /// Takes tensors under their names in the checkpoint.
  init(tensors: [String: Tensor], files: [String]) {
    self.tensors = tensors
    self.files = files
  }

  /// The tensor of a name in the checkpoint, or nil.
  public subscript(name: String) -> Tensor? { tensors[name] }

  /// Whether some tensor is in quantised blocks, which only a GGUF file holds.
  public var isQuantised: Bool { tensors.values.contains { $0.elementType.isQuantised } }

  /// Asks the system to read all files ahead, without waiting.
  public func prefetch() {
    for file in mappedFiles { file.prefetch() }
  }

  /// The files that the weights lie in, each once.
  package var mappedFiles: [MappedFile] { Self.files(of: Array(tensors.values)) }

  /// The files that tensors lie in, each once.
  package static func files(of tensors: [Tensor]) -> [MappedFile] {
    var seen: Set<ObjectIdentifier> = []
    return tensors.compactMap { tensor in
      guard let file = tensor.file, seen.insert(ObjectIdentifier(file)).inserted else { return nil }
      return file
    }
  }

  /// Throws if a file of the weights was changed since it was opened.
  ///
  /// - Throws: ``ModelFilesError`` of the kind `changed`.
  public func checkUnchanged() throws(ModelFilesError) {
    for file in mappedFiles { try file.checkUnchanged() }
  }

  private static func openShards(
    _ directory: String, index: String, _ residence: MappedFile.Residence = .mapped
  ) throws(ModelFilesError) -> ([String: Tensor], [String]) {
    let json = try JSON.parse(path: index)
    guard let map = json.object?["weight_map"]?.object else {
      throw ModelFilesError(
        .malformed, file: index, place: "weight_map",
        found: json.object?["weight_map"]?.summary ?? "nothing", expected: "an object of tensors and files")
    }
    // Dictionaries compare names by canonical equivalence: two that are equal to them are refused.
    var shardOfTensor: [String: String] = [:]
    var shards: [String] = []
    var seen: Set<String> = []
    for (name, value) in map.members {
      let place = "weight_map, tensor " + quoted(name)
      guard let shard = value.string, isPlainName(shard) else {
        throw ModelFilesError(
          .badValue, file: index, place: place, found: value.summary,
          expected: "the name of a .safetensors file in the same directory")
      }
      guard shardOfTensor.updateValue(shard, forKey: name) == nil else {
        throw ModelFilesError(
          .malformed, file: index, place: place, found: "a name that equals another in Unicode",
          expected: "every tensor once")
      }
      if seen.insert(shard).inserted { shards.append(shard) }
    }
    var tensors: [String: Tensor] = [:]
    for shard in shards.sorted() {
      let path = directory + "/" + shard
      guard FileManager.default.fileExists(atPath: path) else {
        throw ModelFilesError(
          .missing, file: path, found: "no such file",
          expected: "one of the \(shards.count) files that " + index + " lists",
          advice: "Download the missing file.")
      }
      for tensor in try SafetensorsFile(path: path, residence).tensors {
        guard shardOfTensor[tensor.name] == shard else {
          throw ModelFilesError(
            .badTensor, file: path, place: "tensor " + quoted(tensor.name),
            found: "a tensor that the index "
              + (shardOfTensor[tensor.name].map { "places in " + quoted($0) } ?? "does not list"),
            expected: "the tensors that the index places in this file",
            advice: "Index and shards are of different models: download them again.")
        }
        tensors[tensor.name] = tensor
      }
    }
    if let (name, shard) = shardOfTensor.filter({ tensors[$0.key] == nil }).min(by: { $0.key < $1.key }) {
      throw ModelFilesError(
        .badTensor, file: directory + "/" + shard, place: "tensor " + quoted(name), found: "no such tensor",
        expected: "it in this file, as the index says",
        advice: "Index and shards are of different models: download them again.")
    }
    return (tensors, shards.sorted().map { directory + "/" + $0 })
  }

  /// A name without path separators, so that an index cannot point outside its directory.
  private static func isPlainName(_ name: String) -> Bool {
    !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") || $0 < 0x20 }
      && !name.hasPrefix(".") && name.hasSuffix(".safetensors") && name.utf8.count <= 255
  }

  private static func absent(_ directory: String) -> ModelFilesError {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
    let other = names.filter { name in
      [".bin", ".gguf", ".safetensors", ".pt", ".pth", ".npz"].contains { name.hasSuffix($0) }
    }
    var found = "neither"
    var advice = "Download the model's weights into this directory."
    if !other.isEmpty {
      found += "; there is " + other.prefix(4).map { quoted($0) }.joined(separator: ", ")
      if other.count > 4 { found += " and \(other.count - 4) more" }
    }
    if other.contains(where: { $0.hasSuffix(".bin") || $0.hasSuffix(".pt") || $0.hasSuffix(".pth") }) {
      advice = "PyTorch's pickles can run code and are not read: save the model as safetensors."
    } else if other.contains(where: { $0.hasSuffix(".gguf") }) {
      advice = "A GGUF file is a model of its own: name the file."
    }
    return ModelFilesError(
      .missing, file: directory, found: found,
      expected: "weights: model.safetensors or model.safetensors.index.json", advice: advice)
  }
}
