public import AdapterFormat
public import ModelFiles

/// Whether the modules of an adapter have places in a base. What attaches adapters asks here, and so does what only
/// says whether that would work.
public enum AdapterFit {
  /// Everything that speaks against attaching `adapter`, one sentence each.
  ///
  /// - Parameter config: the base; nil if none is at hand, so that shapes and layers are not compared.
  public static func violations(_ adapter: Adapter, _ config: Architecture?) -> [String] {
    var violations = unsupported(adapter)
    violations += Self.violations(adapter.modules.lazy.map { ($0.name, $0.a.shape, $0.b.shape) }, config)
    for module in adapter.modules where !isOutside(module.name) {
      for tensor in [module.a, module.b] where !tensor.elementType.readsAsFloats {
        violations.append(
          "\(module.name): found element type \(tensor.elementType.rawValue), expected F32, F16 or BF16")
      }
    }
    if adapter.modules.isEmpty { violations.append("the adapter holds no module") }
    return violations
  }

  /// What speaks against pairs on projections by their names and shapes alone, so that nothing need be decoded.
  static func violations(
    _ pairs: some Sequence<(module: String, a: [Int], b: [Int])>, _ config: Architecture?
  ) -> [String] {
    var violations: [String] = []
    for (module, a, b) in pairs where !isOutside(module) {
      guard let (layer, projection) = place(module), layer < config?.layerCount ?? .max else {
        violations.append(withoutPlace(module, config))
        continue
      }
      guard let config else { continue }
      let (out, input) = projection.shape(config)
      let rank = a.first ?? 0
      if a != [rank, input] {
        violations.append("\(module): lora_A has shape \(a), expected [\(rank), \(input)]")
      }
      if b != [out, rank] {
        violations.append("\(module): lora_B has shape \(b), expected [\(out), \(rank)]")
      }
    }
    return violations
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

  /// Modules of every base that nothing here changes yet, one sentence each.
  static func unsupported(_ adapter: Adapter) -> [String] {
    adapter.modules.map(\.name).filter(isOutside).map { name in
      "\(name): a pair on the \(name == "lm_head" ? "head" : "embedding"), which can't be attached or merged here yet;"
        + " pairs on the projections of layers can"
    }
  }

  private static func isOutside(_ module: String) -> Bool { ["lm_head", "embed_tokens"].contains(module) }

  private static func withoutPlace(_ module: String, _ config: Architecture?) -> String {
    let layers = config.map { "it has \($0.layerCount) layers with " } ?? "layers have "
    return "\(printable(module)): the base has no such module (" + layers
      + Projection.allCases.map(\.path).joined(separator: ", ") + ")"
  }
}
