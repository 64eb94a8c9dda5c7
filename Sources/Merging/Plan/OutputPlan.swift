import ModelFiles

/// A tensor of the output, and where its numbers come from.
struct PlannedTensor: Sendable {
  let source: Tensor
  let type: ElementType
  /// Where it begins in its file.
  let offset: Int
  /// What adapters add to it.
  let sum: LowRankSum?

  var byteCount: Int { type.byteCount(source.elementCount) }
}

/// A file of the output: a header and the tensors behind it.
struct PlannedFile: Sendable {
  let name: String
  let header: [UInt8]
  let tensors: [PlannedTensor]
  /// Bytes of the whole file.
  let byteCount: Int
}

/// The weight files of the output.
struct OutputPlan: Sendable {
  let files: [PlannedFile]

  var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

  /// Lays out one GGUF file.
  ///
  /// - Parameters:
  ///   - directory: the base.
  ///   - type: what the matrices are stored as.
  ///   - name: the file's name.
  init(
    _ directory: StoredModel, sums: [String: LowRankSum], type: GGUFFileType, name: String
  ) throws {
    let metadata = try GGUFMetadata.describing(directory, type: type)
    let config = directory.config
    var weights: [(weight: Tensor, name: String)] = []
    for weight in directory.weights.tensors.values {
      // GGUF has no names for a second copy of a tied head, and for tables that programs compute themselves.
      if config.tieWordEmbeddings, weight.name == "lm_head.weight" { continue }
      guard let name = config.ggufName(of: weight.name) else { continue }
      weights.append((weight, name))
    }
    weights.sort { Self.order($0.name) < Self.order($1.name) }
    let types = weights.map { weight, name in
      type.type(
        of: name, shape: weight.shape, layerCount: config.layerCount, isTied: config.tieWordEmbeddings)
    }
    let layout = try GGUFOutputLayout(
      metadata: metadata,
      tensors: zip(weights, types).map {
        GGUFOutputLayout.Entry(name: $0.name, type: $1, shape: $0.weight.shape)
      },
      path: name)
    var planned: [PlannedTensor] = []
    for ((weight, type), range) in zip(zip(weights.map(\.weight), types), layout.ranges) {
      planned.append(
        PlannedTensor(
          source: weight, type: type, offset: range.lowerBound,
          sum: sums[Self.module(weight.name)]))
    }
    files = [PlannedFile(name: name, header: layout.header, tensors: planned, byteCount: layout.byteCount)]
  }

  /// Where a tensor comes in a GGUF file: the embedding, layer by layer, the head.
  private static func order(_ name: String) -> (Int, Int, String) {
    let parts = name.split(separator: ".")
    if parts.first == "blk", parts.count == 4 { return (1, Int(parts[1]) ?? 0, name) }
    return (name == "token_embd.weight" ? 0 : 2, 0, name)
  }

  /// Lays out safetensors files, divided as the base's or by `shardByteCount`.
  init(weights: WeightFiles, sums: [String: LowRankSum], settings: MergeSettings) throws(ModelFilesError) {
    var groups: [(metadata: [(key: String, value: String)], tensors: [Tensor])] = []
    for path in weights.files {
      let file = try SafetensorsFile(path: path)
      groups.append((file.metadata, file.tensors))
    }
    func elementType(_ tensor: Tensor) -> ElementType {
      // Tables that are no weights, such as rotary frequencies, stay as they are.
      guard tensor.elementType.readsAsFloats, !tensor.name.hasSuffix(".rotary_emb.inv_freq")
      else { return tensor.elementType }
      return settings.elementType ?? tensor.elementType
    }
    if let limit = settings.shardByteCount {
      let metadata = groups.first?.metadata ?? []
      var shards: [[Tensor]] = [[]]
      var filled = 0
      for tensor in groups.flatMap(\.tensors) {
        let size = tensor.elementCount * elementType(tensor).byteSize
        if filled + size > limit, !shards[shards.count - 1].isEmpty {
          shards.append([])
          filled = 0
        }
        shards[shards.count - 1].append(tensor)
        filled += size
      }
      groups = shards.map { (metadata, $0) }
    }
    var files: [PlannedFile] = []
    for (i, group) in groups.enumerated() {
      files.append(
        Self.file(
          name: Self.name(i, of: groups.count), metadata: group.metadata,
          tensors: group.tensors.map { ($0, elementType($0), sums[Self.module($0.name)]) }))
    }
    self.files = files
  }

  /// The names that transformers gives.
  private static func name(_ index: Int, of count: Int) -> String {
    if count == 1 { return "model.safetensors" }
    func padded(_ number: Int) -> String {
      String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number)
    }
    return "model-\(padded(index + 1))-of-\(padded(count)).safetensors"
  }

  /// The module whose weight a tensor is, as adapters name it.
  static func module(_ name: String) -> String {
    guard name.hasPrefix("model."), name.hasSuffix(".weight") else { return name }
    return String(name.dropFirst(6).dropLast(7))
  }

  private static func file(
    name: String, metadata: [(key: String, value: String)],
    tensors: [(tensor: Tensor, elementType: ElementType, sum: LowRankSum?)]
  ) -> PlannedFile {
    // transformers refuses a file that does not say who wrote it.
    let format = metadata.contains { $0.key == "format" } ? [] : [(key: "format", value: "pt")]
    // The kernels read fastest from multiples of 64, whatever program maps the file.
    let layout = SafetensorsLayout(
      tensors.map { .init(name: $0.tensor.name, type: $0.elementType, shape: $0.tensor.shape) },
      metadata: metadata + format, alignment: 64)
    let planned = zip(tensors, layout.ranges).map { tensor, range in
      PlannedTensor(
        source: tensor.tensor, type: tensor.elementType, offset: range.lowerBound, sum: tensor.sum)
    }
    return PlannedFile(name: name, header: layout.header, tensors: planned, byteCount: layout.byteCount)
  }

  /// `model.safetensors.index.json`, or nil for a single file.
  var index: [UInt8]? {
    guard files.count > 1 else { return nil }
    let total = files.reduce(0) { $0 + $1.tensors.reduce(0) { $0 + $1.byteCount } }
    let places = files.flatMap { file in
      file.tensors.map { (key: $0.source.name, value: JSONValue.string(file.name)) }
    }.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    let index = JSONValue.record([
      "metadata": .record(["total_size": JSONValue(total)]), "weight_map": .object(JSONObject(places)),
    ])
    return Array((index.text(indent: 2) + "\n").utf8)
  }
}
