import ModelFiles

// What an adapter changes in a base whose head is its embedding. By itself the other table stays as it is; with
// `ensure_weight_tying` both stay one.
extension Adapter {
  /// The pairs, with those that a tie adds.
  ///
  /// - Parameter isTied: whether the base's head is its embedding.
  package func modules(isTied: Bool) -> [AdapterModule] {
    guard isTied, tiesWeights else { return modules }
    let table = modules.first { $0.isTable }
    let head = modules.first { $0.name == "lm_head" }
    // W + s · B · A of one is (W + s · Aᵀ · Bᵀ) of the other, whose rows are tokens too.
    func mirrored(_ module: AdapterModule, _ name: String) -> AdapterModule {
      var pair = module.pair
      (pair.a, pair.b) = (module.b.transposed(), module.a.transposed())
      return AdapterModule(name: name, pair: pair, isTable: !module.isTable)
    }
    switch (table, head) {
    case (let table?, nil): return modules + [mirrored(table, "lm_head")]
    case (nil, let head?) where head.magnitude == nil: return modules + [mirrored(head, "embed_tokens")]
    default: return modules
    }
  }

  /// The replaced parameters, with those that a tie adds.
  ///
  /// - Parameter isTied: whether the base's head is its embedding.
  package func saved(isTied: Bool) -> [SavedParameter] {
    guard isTied, tiesWeights else { return saved }
    let tables = saved.filter { ["lm_head", "embed_tokens"].contains($0.module) && $0.parameter == "weight" }
    guard tables.count == 1, let table = tables.first else { return saved }
    let other = table.module == "lm_head" ? "embed_tokens" : "lm_head"
    return saved + [SavedParameter(module: other, parameter: table.parameter, tensor: table.tensor)]
  }

  /// Whether head and embedding of a tied base are two different tables with this adapter.
  package func separatesTables(isTied: Bool) -> Bool {
    let names = ["lm_head", "embed_tokens"]
    return isTied
      && (modules.contains { names.contains($0.name) }
        || saved.contains { names.contains($0.module) })
  }
}

extension SavedParameter {
  /// The checkpoint's name: `model.layers.3.input_layernorm.weight`.
  package var checkpointName: String {
    switch module {
    case "lm_head", "model.norm": name
    case "norm": "model." + name
    default: module.hasPrefix("layers.") || module == "embed_tokens" ? "model." + name : name
    }
  }
}
