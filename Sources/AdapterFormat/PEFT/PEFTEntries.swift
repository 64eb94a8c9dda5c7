import ModelFiles

/// Joins the tensors of a PEFT file to entries and checks each pair against the configuration.
struct PEFTEntries {
  let config: PEFTConfig
  /// The file, for messages.
  let file: String
  let tensors: [Tensor]

  private struct Halves {
    let path: String
    let isEmbedding: Bool
    var a: Tensor?
    var b: Tensor?
  }

  private func bad(
    _ kind: AdapterError.Kind, _ tensor: Tensor, found: String, expected: String, advice: String = ""
  ) -> AdapterError.Violation {
    .init(
      kind, file: file, place: "tensor " + quoted(tensor.name), found: found, expected: expected,
      advice: advice)
  }

  /// The entries in no order; what is wrong is appended to `faults`.
  func read(_ faults: inout [AdapterError.Violation]) -> [AdapterEntry] {
    guard !tensors.isEmpty else {
      faults.append(.init(.malformed, file: file, found: "no tensors", expected: "low-rank pairs"))
      return []
    }
    var entries: [AdapterEntry] = []
    var halves: [String: Halves] = [:]
    var order: [String] = []
    var seen: Set<String> = []
    for tensor in tensors {
      let name = PEFTTensorName(tensor.name)
      switch name.part {
      case .a, .b, .embeddingA, .embeddingB:
        let isEmbedding = name.part == .embeddingA || name.part == .embeddingB
        let isA = name.part == .a || name.part == .embeddingA
        let key = name.module + (isEmbedding ? "\u{0}embedding" : "")
        if halves[key] == nil { order.append(key) }
        var pair = halves[key] ?? Halves(path: name.path, isEmbedding: isEmbedding)
        guard (isA ? pair.a : pair.b) == nil else {
          faults.append(
            bad(.badTensor, tensor, found: "another such tensor of " + quoted(name.module), expected: "one"))
          continue
        }
        if isA { pair.a = tensor } else { pair.b = tensor }
        halves[key] = pair
      case .mlx:
        faults.append(
          bad(
            .unsupported("MLX"), tensor, found: "a matrix in MLX's layout",
            expected: "PEFT's names, as the configuration is PEFT's"))
      case .otherAdapter(let adapter):
        faults.append(
          bad(
            .unsupported("adapter name"), tensor,
            found: "a matrix of an adapter named \"\(printable(adapter))\"",
            expected: "the matrices of one adapter, without a name"))
      case .firstBias:
        faults.append(
          bad(
            .unsupported("lora_bias"), tensor,
            found: "a bias of lora_A, which PEFT does not have (lora_bias)",
            expected: "biases of lora_B only"))
      default:
        let entry = single(tensor, name)
        let key = entry.kind + "\u{0}" + name.path + "\u{0}" + entry.standardNames[0]
        guard seen.insert(key).inserted else {
          faults.append(
            bad(.badTensor, tensor, found: "another such tensor of " + quoted(name.module), expected: "one"))
          continue
        }
        entries.append(entry)
      }
    }
    for key in order {
      guard let pair = halves[key] else { continue }
      if let entry = entry(pair, &faults) { entries.append(entry) }
    }
    return entries
  }

  private func entry(_ name: PEFTTensorName, _ content: AdapterEntry.Content, _ names: [String])
    -> AdapterEntry
  {
    var entry = AdapterEntry(module: name.module, path: name.path, content: content)
    if !zip(entry.standardNames, names).allSatisfy({ $0.utf8.elementsEqual($1.utf8) }) {
      entry.tensorNames = names
    }
    return entry
  }

  /// An entry of one tensor.
  private func single(_ tensor: Tensor, _ name: PEFTTensorName) -> AdapterEntry {
    let content: AdapterEntry.Content =
      switch name.part {
      case .magnitude: .magnitude(tensor)
      case .pairBias:
        .pairBias(
          tensor, scale: config.scale(rank: config.rank(of: name.path), alpha: config.alpha(of: name.path)))
      case .trainableTokens: .rows(tensor, ids: config.tokenIDs(of: name.path))
      case .bias: .bias(tensor)
      case .full(let parameter): .full(tensor, parameter: parameter)
      default: preconditionFailure("no entry of one tensor")
      }
    return entry(name, content, [tensor.name])
  }

  private func entry(_ pair: Halves, _ faults: inout [AdapterError.Violation]) -> AdapterEntry? {
    let before = faults.count
    guard let a = pair.a, let b = pair.b else {
      if let present = pair.a ?? pair.b {
        let half = (pair.isEmbedding ? "lora_embedding_" : "lora_") + (pair.a == nil ? "A" : "B")
        faults.append(
          bad(
            .badTensor, present, found: "no \(half) for it", expected: "a complete pair",
            advice: "The file is incomplete: get it again."))
      }
      return nil
    }
    let rank = config.rank(of: pair.path)
    let isConvolution = a.shape.count > 2 && a.shape.count == b.shape.count
    check(a, isA: true, rank: rank, isConvolution: isConvolution, &faults)
    check(b, isA: false, rank: rank, isConvolution: isConvolution, &faults)
    guard faults.count == before else { return nil }
    let alpha = config.alpha(of: pair.path)
    let low = LowRankPair(
      a: a, b: b, scale: config.scale(rank: rank, alpha: alpha),
      scaleOrigin: config.usesRSLoRA ? .alphaOverRootRank : .alphaOverRank, alpha: alpha)
    return entry(
      PEFTTensorName(a.name),
      pair.isEmbedding ? .embedding(low) : isConvolution ? .convolution(low) : .lowRank(low),
      [a.name, b.name])
  }

  private func check(
    _ tensor: Tensor, isA: Bool, rank: Int, isConvolution: Bool, _ faults: inout [AdapterError.Violation]
  ) {
    let wanted = isA ? "[\(rank), in]" : "[out, \(rank)]"
    let shape = tensor.shape
    let isKernel = isConvolution && (isA || shape.dropFirst(2).allSatisfy { $0 == 1 })
    guard shape.count == 2 || isKernel else {
      let isMerged = !isA && shape.count == 3
      faults.append(
        bad(
          isMerged ? .unsupported("MergedLinear") : .badTensor, tensor,
          found: "shape \(shape)" + (isMerged ? ", as MergedLinear of PEFT 0.2 has it" : ""),
          expected: "shape " + wanted))
      return
    }
    if shape[isA ? 0 : 1] != rank || shape.contains(0) {
      faults.append(
        bad(
          .badTensor, tensor, found: "shape \(shape)",
          expected: "shape \(wanted), for rank \(rank) by the configuration",
          advice: "Configuration and weights are of different adapters."))
      return
    }
    if !tensor.elementType.readsAsFloats {
      faults.append(
        bad(.badTensor, tensor, found: "type " + tensor.elementType.rawValue, expected: "F32, F16 or BF16"))
    }
  }
}
