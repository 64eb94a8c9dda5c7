public import AdapterFormat
public import ModelFiles

/// Whether the modules of an adapter have places in a base. What attaches adapters asks here, and so does what only
/// says whether that would work.
public enum AdapterFit {
  /// Everything that speaks against attaching `adapter`, one sentence each.
  ///
  /// - Parameter config: the base; nil if none is at hand, so that shapes and layers are not compared.
  public static func violations(_ adapter: Adapter, _ config: Architecture?) -> [String] {
    var violations = Self.violations(adapter.modules.lazy.map { ($0.name, $0.a.shape, $0.b.shape) }, config)
    for module in adapter.modules {
      if module.isTable != (module.name == "embed_tokens") {
        violations.append(
          "\(printable(module.name)): found a pair of \(module.isTable ? "an embedding" : "a linear layer"), expected "
            + "that of \(module.isTable ? "embed_tokens only" : "an embedding (lora_embedding_A, lora_embedding_B)")"
        )
      }
      for tensor in [module.a, module.b] where !tensor.elementType.readsAsFloats {
        violations.append(
          "\(module.name): found element type \(tensor.elementType.rawValue), expected F32, F16 or BF16")
      }
    }
    violations += misfits(adapter.saved, config)
    if adapter.modules.isEmpty, adapter.saved.isEmpty { violations.append("the adapter holds no module") }
    return violations
  }

  /// What speaks against pairs by their names and shapes alone, so that nothing need be decoded.
  static func violations(
    _ pairs: some Sequence<(module: String, a: [Int], b: [Int])>, _ config: Architecture?
  ) -> [String] {
    var violations: [String] = []
    for (module, a, b) in pairs {
      let place = place(module)
      guard isOutside(module) || (place?.layer ?? .max) < config?.layerCount ?? .max else {
        violations.append(withoutPlace(module, config))
        continue
      }
      guard let config else { continue }
      let isTable = module == "embed_tokens"
      let (out, input) =
        place?.projection.shape(config)
        ?? (isTable ? (config.hiddenSize, config.vocabSize) : (config.vocabSize, config.hiddenSize))
      let rank = a.first ?? 0
      let name = isTable ? "lora_embedding_" : "lora_"
      if a != [rank, input] {
        violations.append(
          "\(module): \(name)A has shape \(a), expected [\(rank), \(input)]"
            + resized(isTable, a.last, input))
      }
      if b != [out, rank] {
        violations.append(
          "\(module): \(name)B has shape \(b), expected [\(out), \(rank)]"
            + resized(module == "lm_head", b.first, out))
      }
    }
    return violations
  }

  private static func resized(_ isVocabulary: Bool, _ found: Int?, _ expected: Int) -> String {
    guard isVocabulary, let found, found != expected else { return "" }
    return ": the vocabulary was resized to \(found) rows before training, the base has \(expected)"
  }

  /// What speaks against replaced parameters.
  private static func misfits(_ saved: [SavedParameter], _ config: Architecture?) -> [String] {
    guard let config else { return [] }
    var shapes = Dictionary(uniqueKeysWithValues: config.tensorShapes.map { ($0.name, $0.shape) })
    shapes["lm_head.weight"] = [config.vocabSize, config.hiddenSize]
    return saved.compactMap { parameter in
      let (name, found) = (printable(parameter.name), parameter.tensor.shape)
      guard let expected = shapes[parameter.checkpointName] else {
        return "\(name): the base has no such parameter that could be replaced (modules_to_save, bias)"
      }
      if found == expected { return nil }
      let isTable = ["lm_head", "embed_tokens"].contains(parameter.module)
      return "\(name): found shape \(found), expected \(expected)"
        + resized(isTable, found.first, expected.first ?? 0)
    }
  }

  /// The layer and projection of a module's name; nil if it is none.
  package static func place(_ module: String) -> (layer: Int, projection: Projection)? {
    let parts = module.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "layers", let layer = Int(parts[1]), layer >= 0,
      String(layer).utf8.elementsEqual(parts[1].utf8),
      let projection = Projection.allCases.first(where: { $0.path.utf8.elementsEqual(parts[2].utf8) })
    else { return nil }
    return (layer, projection)
  }

  /// Whether projections of one architecture have the places and shapes of another's.
  static func isAlike(_ a: Architecture, _ b: Architecture) -> Bool {
    a.layerCount == b.layerCount && a.hiddenSize == b.hiddenSize
      && Projection.allCases.allSatisfy { $0.shape(a) == $0.shape(b) }
  }

  private static func isOutside(_ module: String) -> Bool { ["lm_head", "embed_tokens"].contains(module) }

  private static func withoutPlace(_ module: String, _ config: Architecture?) -> String {
    let layers = config.map { "it has \($0.layerCount) layers with " } ?? "layers have "
    return "\(printable(module)): the base has no such module (" + layers
      + Projection.allCases.map(\.path).joined(separator: ", ")
      + ", and outside of them lm_head and embed_tokens)"
  }
}
