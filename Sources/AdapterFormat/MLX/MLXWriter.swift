import ModelFiles

/// Writes an MLX adapter as mlx-lm loads it.
enum MLXWriter {
  static let files: Set<String> = ["adapter_config.json", "adapters.safetensors"]

  /// Writes the directory whole or not at all.
  static func write(
    _ archive: AdapterArchive, base: BaseArchitecture?, to path: String
  ) throws(AdapterError) {
    var violations = archive.mathematicalObstacles(file: path)
    checkEntries(archive, file: path, &violations)
    checkTables(archive, base, file: path, &violations)
    let pairs = archive.entries.compactMap { entry in entry.pair.map { (entry.module, $0) } }
    for (key, values) in [
      ("rank_pattern", pairs.map { ($0.0, "rank \($0.1.rank)") }),
      ("alpha_pattern", pairs.map { ($0.0, "scale \($0.1.scale)") }),
    ] {
      guard let first = values.first, let other = values.first(where: { $0.1 != first.1 }) else { continue }
      violations.append(
        .init(
          .unsupported(key), file: path, place: "module " + quoted(other.0),
          found: "\(other.1), while \(quoted(first.0)) has \(first.1)",
          expected: "the same in every module: MLX has one", advice: "Convert to .tina or PEFT."))
    }
    let kind = kind(archive, file: path, &violations)
    guard violations.isEmpty else { throw AdapterError(path: path, violations: violations) }
    let tensors = archive.entries.flatMap(self.tensors)
    let config = configuration(archive, kind: kind, pair: pairs.first?.1, base: base)
    do throws(ModelFilesError) {
      let writer = try DirectoryWriter(path: path, names: files)
      try JSONFile.write(config, to: writer.file("adapter_config.json"))
      try SafetensorsWriter.write(
        tensors, metadata: archive.mlxConfiguration == nil ? [] : archive.tensorMetadata,
        to: writer.file("adapters.safetensors"))
      try writer.finish()
    } catch {
      throw AdapterError(path: path, violations: [.init(error)])
    }
  }

  private static func checkEntries(
    _ archive: AdapterArchive, file: String, _ violations: inout [AdapterError.Violation]
  ) {
    let isFull = archive.mlxConfiguration?["fine_tune_type"]?.word == "full"
    for entry in archive.entries {
      let isKnown =
        switch entry.content {
        case .lowRank: !MLXNames.isTable(entry.path)
        case .embedding: MLXNames.isTable(entry.path)
        case .magnitude: true
        case .full, .bias: isFull
        default: false
        }
      guard !isKnown else { continue }
      violations.append(
        .init(
          .unsupported(entry.kind), file: file, place: "module " + quoted(entry.module),
          found: "an entry of the kind " + entry.kind,
          expected: "low-rank pairs, of every module with magnitudes or of none: mlx-lm loads nothing else"))
    }
  }

  /// MLX has no head beside a tied embedding, and changes both where it changes that.
  private static func checkTables(
    _ archive: AdapterArchive, _ base: BaseArchitecture?, file: String,
    _ violations: inout [AdapterError.Violation]
  ) {
    guard archive.mlxConfiguration == nil, base?.isTied != false else { return }
    for entry in archive.entries where entry.pair != nil {
      let isHead = entry.module == "lm_head" && base?.isTied == true
      guard isHead || MLXNames.isTable(entry.path) else { continue }
      violations.append(
        .init(
          .unsupported("tie_word_embeddings"), file: file, place: "module " + quoted(entry.module),
          found: "a pair of one table, on a base whose tables \(base?.isTied == true ? "are" : "may be") one",
          expected: "none: MLX would change head and embedding together",
          advice: base == nil
            ? "Name the base with --base, if it has a head of its own." : "Convert to .tina or PEFT."))
    }
  }

  /// `lora`, `dora` or `full`.
  private static func kind(
    _ archive: AdapterArchive, file: String, _ violations: inout [AdapterError.Violation]
  ) -> String {
    if archive.mlxConfiguration?["fine_tune_type"]?.word == "full" { return "full" }
    let pairs = Set(archive.entries.compactMap { $0.pair == nil ? nil : $0.module })
    let magnitudes = Set(
      archive.entries.compactMap { entry in
        if case .magnitude = entry.content { entry.module } else { nil }
      })
    if pairs.isEmpty {
      violations.append(.init(.malformed, file: file, found: "no low-rank pair", expected: "at least one"))
    }
    guard !magnitudes.isEmpty else { return "lora" }
    if let module = pairs.symmetricDifference(magnitudes).min() {
      violations.append(
        .init(
          .unsupported("use_dora"), file: file, place: "module " + quoted(module),
          found: magnitudes.contains(module) ? "a magnitude without a pair" : "a pair without magnitude",
          expected: "magnitudes of every module or of none"))
    }
    return "dora"
  }

  /// The path as MLX spells it: without PEFT's wrappers.
  private static func path(_ entry: AdapterEntry) -> String {
    var path = entry.path
    while path.hasPrefix("base_model.model.") { path = String(path.dropFirst("base_model.model.".count)) }
    return path
  }

  private static func tensors(_ entry: AdapterEntry) -> [Tensor] {
    let path = path(entry)
    return switch entry.content {
    case .magnitude(let tensor): [tensor.renamed(path + ".m")]
    case .full(let tensor, let parameter): [tensor.renamed(path + "." + parameter)]
    case .bias(let tensor): [tensor.renamed(path + ".bias")]
    default:
      entry.pair.map {
        [$0.a.transposed().renamed(path + ".lora_a"), $0.b.transposed().renamed(path + ".lora_b")]
      } ?? []
    }
  }

  private static func configuration(
    _ archive: AdapterArchive, kind: String, pair: LowRankPair?, base: BaseArchitecture?
  ) -> JSONObject {
    guard let pair else { return archive.mlxConfiguration ?? JSONObject([]) }
    if let original = archive.mlxConfiguration {
      let parameters = original["lora_parameters"]?.object ?? JSONObject([])
      let isSame =
        parameters["scale"]?.double.map { Float($0).bitPattern } == pair.scale.bitPattern
        && parameters["rank"]?.int ?? pair.rank == pair.rank
      if isSame { return original }
      let changed = parameters.with("rank", JSONValue(pair.rank)).with("scale", JSONValue(Double(pair.scale)))
      return original.with("lora_parameters", .object(changed))
    }
    let dropout = archive.peftConfiguration?["lora_dropout"]?.double ?? 0
    let (keys, layers) = keys(archive, base)
    return JSONObject([
      ("fine_tune_type", .string(kind)),
      ("model", archive.baseModelName.map { .string($0) } ?? .null),
      ("num_layers", JSONValue(layers)),
      (
        "lora_parameters",
        .object(
          JSONObject([
            ("keys", .array(keys.map { .string($0) })), ("rank", JSONValue(pair.rank)),
            ("scale", JSONValue(Double(pair.scale))), ("dropout", JSONValue(dropout)),
          ]))
      ),
    ])
  }

  /// Module names relative to their layer, whole paths outside the layers, and the number of last layers with them.
  private static func keys(_ archive: AdapterArchive, _ base: BaseArchitecture?) -> ([String], Int) {
    var keys: Set<String> = []
    var layers: Set<Int> = []
    for entry in archive.entries where entry.pair != nil {
      let path = path(entry)
      let layer = PEFTTensorName.layer(of: path)
      guard layer >= 0, let range = path.firstRange(of: ".\(layer).") else {
        keys.insert(path)
        continue
      }
      layers.insert(layer)
      keys.insert(String(path[range.upperBound...]))
    }
    let first = layers.min() ?? 0
    let last = layers.max() ?? 0
    // All layers (-1) if the number of layers is unknown and the first has no module.
    let count = base?.layerCount.map { max($0 - first, 1) } ?? (first == 0 ? last + 1 : -1)
    return (keys.sorted(), count)
  }
}
