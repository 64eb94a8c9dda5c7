public import AdapterFormat
public import ModelFiles

/// Whether the modules of an adapter have places in a base. What attaches adapters asks here, and so does what only
/// says whether that would work.
public enum AdapterFit {
  /// Everything that speaks against attaching `adapter`, one sentence each.
  ///
  /// - Parameter config: the base; nil if none is at hand, so that shapes and layers are not compared.
  public static func violations(_ adapter: Adapter, _ config: Qwen2Config?) -> [String] {
    var violations = unsupported(adapter)
    for module in adapter.modules where !isOutside(module.name) {
      guard let (layer, projection) = place(module.name), layer < config?.layerCount ?? .max else {
        violations.append(withoutPlace(module.name, config))
        continue
      }
      for tensor in [module.a, module.b] where !tensor.elementType.readsAsFloats {
        violations.append(
          "\(module.name): found element type \(tensor.elementType.rawValue), expected F32, F16 or BF16")
      }
      guard let config else { continue }
      let (out, input) = projection.shape(config)
      let rank = module.rank
      if module.a.shape != [rank, input] {
        violations.append("\(module.name): lora_A has shape \(module.a.shape), expected [\(rank), \(input)]")
      }
      if module.b.shape != [out, rank] {
        violations.append("\(module.name): lora_B has shape \(module.b.shape), expected [\(out), \(rank)]")
      }
    }
    if adapter.modules.isEmpty { violations.append("the adapter holds no module") }
    return violations
  }

  /// The layer and projection of a module's name; nil if it is none.
  static func place(_ module: String) -> (layer: Int, projection: Projection)? {
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

  private static func withoutPlace(_ module: String, _ config: Qwen2Config?) -> String {
    let layers = config.map { "it has \($0.layerCount) layers with " } ?? "layers have "
    return "\(printable(module)): the base has no such module (" + layers
      + Projection.allCases.map(\.path).joined(separator: ", ") + ")"
  }
}
