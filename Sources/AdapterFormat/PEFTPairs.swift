import ModelFiles

/// Joins the tensors of a PEFT file to pairs and checks each against the configuration.
struct PEFTPairs {
  let config: PEFTConfig
  let file: SafetensorsFile

  private struct Halves {
    let path: String
    var a: Tensor?
    var b: Tensor?
  }

  private func bad(
    _ kind: AdapterError.Kind, _ tensor: Tensor, found: String, expected: String, advice: String = ""
  ) -> AdapterError.Violation {
    .init(
      kind, file: file.path, place: "tensor " + quoted(tensor.name), found: found, expected: expected,
      advice: advice)
  }

  /// The modules by layer and name; what is wrong is appended to `violations`.
  func modules(_ violations: inout [AdapterError.Violation]) -> [AdapterModule] {
    guard !file.tensors.isEmpty else {
      violations.append(.init(.malformed, file: file.path, found: "no tensors", expected: "low-rank pairs"))
      return []
    }
    var halves: [String: Halves] = [:]
    for tensor in file.tensors {
      let name = PEFTTensorName(tensor.name)
      if let refusal = name.refusal {
        violations.append(
          bad(
            .unsupported(refusal.feature), tensor, found: refusal.found,
            expected: "lora_A.weight and lora_B.weight only"))
        continue
      }
      var pair = halves[name.module] ?? Halves(path: name.path)
      guard (name.part == .a ? pair.a : pair.b) == nil else {
        violations.append(
          bad(.badTensor, tensor, found: "another such tensor of " + quoted(name.module), expected: "one"))
        continue
      }
      if name.part == .a { pair.a = tensor } else { pair.b = tensor }
      halves[name.module] = pair
    }
    let order = halves.keys.map { (PEFTTensorName.layer(of: $0), $0) }.sorted { $0 < $1 }
    checkFused(order.map { $0.1 }, &violations)
    return order.compactMap { (_, name) in
      halves[name].flatMap { module(name, $0, &violations) }
    }
  }

  /// GPT-2's `c_attn` holds queries, keys and values in one transposed matrix.
  private func checkFused(_ names: [String], _ violations: inout [AdapterError.Violation]) {
    let fused = names.filter { $0 == "c_attn" || $0.hasSuffix(".c_attn") }
    guard let first = fused.first else { return }
    violations.append(
      .init(
        .unsupported("c_attn"), file: file.path, place: "module " + quoted(first),
        found: "GPT-2's fused projection c_attn of queries, keys and values, in \(fused.count) modules",
        expected: "one module for each projection", advice: "Adapters of GPT-2 cannot be applied here."))
  }

  private func module(
    _ name: String, _ pair: Halves, _ violations: inout [AdapterError.Violation]
  ) -> AdapterModule? {
    let before = violations.count
    if let present = pair.a ?? pair.b, pair.a == nil || pair.b == nil {
      violations.append(
        bad(
          .badTensor, present, found: "no \(pair.a == nil ? "lora_A" : "lora_B") for it",
          expected: "a complete pair", advice: "The file is incomplete: get it again."))
    }
    let rank = config.rank(of: pair.path)
    for (tensor, isA) in [(pair.a, true), (pair.b, false)] {
      if let tensor { check(tensor, isA: isA, rank: rank, &violations) }
    }
    if !config.isTarget(pair.path) {
      violations.append(
        .init(
          .badTensor, file: file.path, place: "module " + quoted(name),
          found: "a pair that target_modules does not cover", expected: "only modules that training targeted",
          advice: "Configuration and weights are of different adapters."))
    }
    guard violations.count == before, let a = pair.a, let b = pair.b else { return nil }
    let alpha = config.alpha(of: pair.path)
    return AdapterModule(
      name: name, rank: rank, scale: config.scale(rank: rank, alpha: alpha), alpha: alpha, a: a, b: b)
  }

  private func check(
    _ tensor: Tensor, isA: Bool, rank: Int, _ violations: inout [AdapterError.Violation]
  ) {
    let wanted = isA ? "[\(rank), in]" : "[out, \(rank)]"
    let shape = tensor.shape
    guard shape.count == 2 else {
      let isMerged = !isA && shape.count == 3
      violations.append(
        bad(
          isMerged ? .unsupported("MergedLinear") : .badTensor, tensor,
          found: "shape \(shape)" + (isMerged ? ", as MergedLinear of PEFT 0.2 or a convolution has it" : ""),
          expected: "shape " + wanted))
      return
    }
    if shape[isA ? 0 : 1] != rank || shape.contains(0) {
      violations.append(
        bad(
          .badTensor, tensor, found: "shape \(shape)",
          expected: "shape \(wanted), for rank \(rank) by the configuration",
          advice: "Configuration and weights are of different adapters."))
      return
    }
    guard [.f32, .f16, .bf16].contains(tensor.elementType) else {
      violations.append(
        bad(.badTensor, tensor, found: "type " + tensor.elementType.rawValue, expected: "F32, F16 or BF16"))
      return
    }
    if let index = tensor.firstNonFinite {
      violations.append(
        bad(
          .badTensor, tensor, found: "a number that is not finite, at element \(index)",
          expected: "finite numbers", advice: "Training diverged: use an earlier checkpoint."))
    }
  }
}
