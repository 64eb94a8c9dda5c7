import ModelFiles

/// A tensor of the output, and where its numbers come from.
struct PlannedTensor: Sendable {
  let source: Tensor
  let type: ElementType
  /// Where it begins in its file.
  let offset: Int
  /// What adapters add to it.
  let sum: LowRankSum?
  /// Where its rows stand in the source; nil for the same order.
  var order: (@Sendable (Int) -> Int)?

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
  ///   - changes: what is made of its tensors.
  ///   - type: what the matrices are stored as.
  ///   - name: the file's name.
  init(
    _ directory: StoredModel, _ changes: MergedTensors, type: GGUFFileType, name: String
  ) throws {
    let metadata = try GGUFMetadata.describing(directory, type: type)
    let config = directory.config
    var weights = Self.ggufSources(directory, changes)
    weights.sort { Self.order($0.name) < Self.order($1.name) }
    let types = weights.map { weight in
      type.type(
        of: weight.name, shape: weight.source.shape, layerCount: config.layerCount, isTied: changes.isTied)
    }
    let layout = try GGUFOutputLayout(
      metadata: metadata,
      tensors: zip(weights, types).map {
        GGUFOutputLayout.Entry(name: $0.name, type: $1, shape: $0.source.shape)
      },
      path: name)
    var planned: [PlannedTensor] = []
    for ((weight, type), range) in zip(zip(weights, types), layout.ranges) {
      var sum = changes.sums[weight.source.name]
      sum?.order = config.rowOrder(of: weight.source.name, rows: weight.source.shape.first ?? 0)
      planned.append(
        PlannedTensor(
          source: weight.source, type: type, offset: range.lowerBound, sum: sum, order: weight.order))
    }
    files = [PlannedFile(name: name, header: layout.header, tensors: planned, byteCount: layout.byteCount)]
  }

  /// A tensor under its name in the checkpoint, its name in GGUF, and the order of its rows.
  private typealias GGUFSource = (source: Tensor, name: String, order: (@Sendable (Int) -> Int)?)

  private static func ggufSources(_ directory: StoredModel, _ changes: MergedTensors) -> [GGUFSource] {
    let config = directory.config
    var sources: [GGUFSource] = []
    func add(_ weight: Tensor) {
      guard let name = config.ggufName(of: weight.name) else { return }
      // Rows of matrices are brought in order while they are written; vectors are small enough to copy.
      let order =
        weight.shape.count == 2 ? config.rowOrder(of: weight.name, rows: weight.shape[0]) : nil
      sources.append((order == nil ? config.toGGUF(weight) : weight, name, order))
    }
    for weight in directory.gguf?.tensors ?? [] {
      guard let name = config.checkpointName(ofGGUF: weight.name) else {
        sources.append((weight, weight.name, nil))
        continue
      }
      if let replaced = changes.replaced[name] {
        add(replaced)
      } else {
        sources.append((weight.renamed(name), weight.name, nil))
      }
    }
    if directory.gguf == nil {
      for weight in directory.weights.tensors.values {
        // GGUF has no names for a second copy of a tied head, and for tables that programs compute themselves.
        if config.tieWordEmbeddings, weight.name == MergedTensors.headName { continue }
        add(changes.replaced[weight.name] ?? weight)
      }
      if let divisors = GGUFMetadata.divisors(config) { sources.append((divisors, divisors.name, nil)) }
    }
    if let head = changes.newHead { add(head) }
    return sources
  }

  /// Where a tensor comes in a GGUF file: the embedding, layer by layer, the head.
  private static func order(_ name: String) -> (Int, Int, String) {
    let parts = name.split(separator: ".")
    if parts.first == "blk", parts.count == 4 { return (1, Int(parts[1]) ?? 0, name) }
    return (name == "token_embd.weight" ? 0 : 2, 0, name)
  }

  /// Lays out safetensors files, divided as the base's or by `shardByteCount`.
  init(
    weights: WeightFiles, _ changes: MergedTensors, settings: MergeSettings
  ) throws(ModelFilesError) {
    var groups: [(metadata: [(key: String, value: String)], tensors: [Tensor])] = []
    for path in weights.files {
      let file = try SafetensorsFile(path: path)
      // What is replaced keeps its place; its type becomes that of the weight which it replaces.
      groups.append((file.metadata, file.tensors))
    }
    if let head = changes.newHead {
      for i in groups.indices { groups[i].tensors.removeAll { $0.name == head.name } }
      groups[groups.count - 1].tensors.append(head)
    }
    func elementType(_ tensor: Tensor) -> ElementType {
      // Tables that are no weights, such as rotary frequencies, stay as they are.
      guard tensor.elementType.readsAsFloats, !tensor.name.hasSuffix(".rotary_emb.inv_freq")
      else { return tensor.elementType }
      // A new head is stored as the embedding that it was.
      let own = tensor.name == changes.newHead?.name ? weights[MergedTensors.tableName] : tensor
      return settings.elementType ?? own?.elementType ?? tensor.elementType
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
          tensors: group.tensors.map { tensor in
            let inner = WeightFiles.innerName(tensor.name)
            let source = changes.replaced[inner]?.renamed(tensor.name) ?? tensor
            return (source, elementType(tensor), changes.sums[inner])
          }))
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
