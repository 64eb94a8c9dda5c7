import AdapterFormat
import ModelFiles
import TinaRuntime

extension LoRAParameters {
  /// The matrices as tensors on the trained memory; nothing is copied.
  func modules() -> [AdapterModule] {
    pairs.map { pair in
      AdapterModule(
        name: pair.name,
        pair: LowRankPair(
          a: values.tensor(pair.name + ".lora_A", [pair.rank, pair.input], at: pair.a),
          b: values.tensor(pair.name + ".lora_B", [pair.output, pair.rank], at: pair.b), scale: pair.scale,
          scaleOrigin: pair.module.origin, alpha: pair.module.alpha))
    }
  }

  /// The adapter for the sampler. Made anew after each change, it has a new identity, so that no cache serves results
  /// of older numbers.
  func attach(to model: Model, step: Int) throws -> AttachedAdapter {
    try AttachedAdapter(Adapter(name: "the adapter at step \(step)", modules: modules()), to: model)
  }

  /// The adapter as files store it.
  func archive(baseModelName: String?, base: BaseIdentity?, training: JSONObject) -> AdapterArchive {
    let entries = modules().map {
      AdapterEntry(module: $0.name, path: "model." + $0.name, content: .lowRank($0.pair))
    }
    let number = { (value: Double) in JSONValue(value) }
    let settings = settings.stored
    var configuration = JSONObject([
      ("base_model_name_or_path", baseModelName.map { .string($0) } ?? .null), ("bias", .string("none")),
      ("fan_in_fan_out", .bool(false)), ("inference_mode", .bool(true)),
      ("init_lora_weights", settings.initialisation == .uniform ? .bool(true) : .string("gaussian")),
      ("lora_alpha", number(settings.alpha)), ("lora_dropout", number(settings.dropout)),
      ("peft_type", .string("LORA")), ("r", JSONValue(settings.rank)),
      ("target_modules", .array(settings.targets.map { .string($0) })), ("task_type", .string("CAUSAL_LM")),
      ("use_dora", .bool(false)), ("use_rslora", .bool(settings.isRankStabilised)),
    ])
    if let layers = settings.layers {
      configuration = configuration.with("layers_to_transform", .array(layers.map { JSONValue($0) }))
    }
    for (key, rules) in [("rank_pattern", settings.rankPatterns), ("alpha_pattern", settings.alphaPatterns)]
    where !rules.isEmpty {
      configuration = configuration.with(
        key,
        .object(
          JSONObject(
            rules.map {
              ($0.pattern, key == "rank_pattern" ? JSONValue(Int($0.value)) : JSONValue($0.value))
            })))
    }
    return AdapterArchive(
      entries: entries, configuration: configuration, baseModelName: baseModelName, base: base,
      training: training)
  }
}
