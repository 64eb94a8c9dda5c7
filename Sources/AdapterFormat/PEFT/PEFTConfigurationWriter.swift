import ModelFiles

/// Makes an `adapter_config.json` that states exactly the ranks and scales of an archive.
struct PEFTConfigurationWriter {
  let archive: AdapterArchive

  init(_ archive: AdapterArchive) { self.archive = archive }

  private var pairs: [(path: String, pair: LowRankPair)] {
    archive.entries.compactMap { entry in entry.pair.map { (entry.path, $0) } }
  }

  /// The source's configuration, if it states the archive's ranks and scales; else a new one.
  ///
  /// - Throws: `AdapterError.Violation` if PEFT cannot state them.
  func make() throws(AdapterError.Violation) -> JSONObject {
    let original = archive.peftConfiguration
    if let original, states(original, coversTargets: false) { return original }
    guard !pairs.isEmpty else {
      throw .init(
        .unsupported("full"), file: "adapter_config.json", found: "no low-rank pair",
        expected: "at least one: PEFT's LoRA has nothing else to hold on to")
    }
    if original == nil {
      for entry in archive.entries where entry.pair == nil {
        if case .magnitude = entry.content { continue }
        throw .init(
          .unsupported(entry.kind), file: "adapter_config.json", place: "module " + quoted(entry.module),
          found: "an entry of the kind " + entry.kind,
          expected: "low-rank pairs and magnitudes, where no PEFT configuration came along")
      }
    }
    for isEscaped in [false, true] {
      let object = made(original, isEscaped: isEscaped)
      if states(object, coversTargets: original == nil) { return object }
    }
    throw .init(
      .badTensor, file: "adapter_config.json",
      found: "names of modules that PEFT's patterns cannot tell apart",
      expected: "names that do not end in one another")
  }

  /// Whether a configuration gives every pair its rank and its scale, bit for bit. A source's
  /// targets stay as they are, right or wrong.
  private func states(_ object: JSONObject, coversTargets: Bool) -> Bool {
    var settings = PEFTSettings(object, file: "adapter_config.json")
    settings.boundWork(paths: pairs.map(\.path))
    return settings.faults.isEmpty
      && pairs.allSatisfy { path, pair in
        settings.rank(of: path) == pair.rank && (!coversTargets || settings.isTarget(path))
          && settings.scale(rank: pair.rank, alpha: settings.alpha(of: path)).bitPattern
            == pair.scale.bitPattern
      }
  }

  /// The alpha that gives a pair's scale without rsLoRA; the product is exact in double precision.
  private static func alpha(_ pair: LowRankPair) -> Double {
    if let alpha = pair.alpha, Float(alpha / Double(pair.rank)).bitPattern == pair.scale.bitPattern {
      return alpha
    }
    return Double(pair.scale) * Double(pair.rank)
  }

  private func made(_ original: JSONObject?, isEscaped: Bool) -> JSONObject {
    let rank = Self.commonest(pairs.map(\.pair.rank)) ?? 8
    let alpha = Self.commonest(pairs.map { Self.alpha($0.pair) }) ?? Double(rank)
    func key(_ path: String) -> String { isEscaped ? Self.escaped(path) : path }
    let ranks = pairs.filter { $0.pair.rank != rank }.map {
      (key: key($0.path), value: JSONValue($0.pair.rank))
    }
    let alphas = pairs.filter { Self.alpha($0.pair) != alpha }.map {
      (key: key($0.path), value: JSONValue(Self.alpha($0.pair)))
    }
    var object = original ?? fresh()
    for (key, value) in [
      ("r", JSONValue(rank)), ("lora_alpha", JSONValue(alpha)), ("use_rslora", .bool(false)),
      ("rank_pattern", .object(JSONObject(ranks))), ("alpha_pattern", .object(JSONObject(alphas))),
    ] {
      object = object.with(key, value)
    }
    return object
  }

  private func fresh() -> JSONObject {
    let isDoRA = archive.entries.contains { if case .magnitude = $0.content { true } else { false } }
    let (targets, layers) = targets()
    // MLX changes a tied head with its embedding.
    let isTied =
      archive.mlxConfiguration != nil && archive.entries.contains { $0.tinaKind == .embedding }
    let tie: [(key: String, value: JSONValue)] = isTied ? [("ensure_weight_tying", .bool(true))] : []
    return JSONObject(
      [
        ("peft_type", .string("LORA")), ("task_type", .string("CAUSAL_LM")),
        ("base_model_name_or_path", archive.baseModelName.map { .string($0) } ?? .null),
        ("r", .null), ("lora_alpha", .null), ("use_rslora", .bool(false)),
        ("target_modules", .array(targets.map { .string($0) })),
        ("layers_to_transform", layers.map { .array($0.map { JSONValue($0) }) } ?? .null),
        ("layers_pattern", layers == nil ? .null : .string("layers")),
        ("rank_pattern", .null), ("alpha_pattern", .null), ("lora_dropout", .number("0.0")),
        ("bias", .string("none")), ("fan_in_fan_out", .bool(false)), ("init_lora_weights", .bool(true)),
        ("modules_to_save", .null), ("use_dora", .bool(isDoRA)), ("inference_mode", .bool(true)),
      ] + tie)
  }

  /// The last components of the modules' names, if every layer has the same ones; else whole paths. With the layers,
  /// if they do not begin with the first.
  private func targets() -> (names: [String], layers: [Int]?) {
    var leaves: [Int: Set<String>] = [:]
    for (path, _) in pairs {
      leaves[PEFTTensorName.layer(of: path), default: []].insert(
        String(path.split(separator: ".").last ?? ""))
    }
    let outside = leaves.removeValue(forKey: -1) ?? []
    let layers = leaves.keys.sorted()
    guard let common = layers.first.flatMap({ leaves[$0] }), leaves.values.allSatisfy({ $0 == common }),
      pairs.allSatisfy({ PEFTTensorName.layer(of: $0.path) < 0 || $0.path.contains(".layers.") })
    else { return (pairs.map(\.path), nil) }
    if layers == Array(0..<layers.count) { return ((common.union(outside)).sorted(), nil) }
    return outside.isEmpty ? (common.sorted(), layers) : (pairs.map(\.path), nil)
  }

  private static func escaped(_ path: String) -> String {
    var out = "^"
    for scalar in path.unicodeScalars {
      if !scalar.properties.isAlphabetic, !("0"..."9").contains(scalar), scalar != "_", scalar != "-" {
        out += "\\"
      }
      out.unicodeScalars.append(scalar)
    }
    return out
  }

  private static func commonest<Value: Hashable>(_ values: [Value]) -> Value? {
    var counts: [Value: Int] = [:]
    for value in values { counts[value, default: 0] += 1 }
    // The first of the most frequent, so that the same adapter gives the same file.
    let most = counts.values.max()
    return values.first { counts[$0] == most }
  }
}
