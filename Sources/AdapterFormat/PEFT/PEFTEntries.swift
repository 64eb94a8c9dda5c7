import ModelFiles
import Support

/// Joins the tensors of a PEFT file to entries and checks each pair against the configuration.
struct PEFTEntries {
  let settings: PEFTSettings
  /// The file, for messages.
  let file: String
  let tensors: [Tensor]

  private func bad(
    _ kind: AdapterError.Kind, _ tensor: Tensor, found: String, expected: String, advice: String = ""
  ) -> AdapterError.Violation {
    .init(
      kind, file: file, place: "tensor " + quoted(tensor.name), found: found, expected: expected,
      advice: advice)
  }

  /// The entries, unsorted; appends what is wrong to `faults`, and what a user should know to `notes`.
  func read(_ faults: inout [AdapterError.Violation], _ notes: inout [String]) -> [AdapterEntry] {
    guard !tensors.isEmpty else {
      faults.append(.init(.malformed, file: file, found: "no tensors", expected: "low-rank pairs"))
      return []
    }
    if let fault = ungathered {
      faults.append(fault)
      return []
    }
    var wrappers: Set<String> = []
    var entries: [AdapterEntry] = []
    var halves = PairHalves()
    var seen: Set<String> = []
    for tensor in tensors {
      guard !tensor.name.unicodeScalars.contains("\n") else {
        faults.append(
          bad(.badTensor, tensor, found: "a line feed in the name", expected: "a name of one line"))
        continue
      }
      let name = PEFTTensorName(tensor.name)
      for wrapper in name.wrappers { wrappers.insert(String(wrapper)) }
      guard !name.module.isEmpty else {
        faults.append(
          bad(
            .badTensor, tensor, found: "a name that leaves no module", expected: "the name of a module in it")
        )
        continue
      }
      if name.module.utf8.count < name.path.utf8.count, name.path.contains("language_model.") {
        wrappers.insert("language_model")
      }
      switch name.part {
      case .a, .b, .embeddingA, .embeddingB:
        let isEmbedding = name.part == .embeddingA || name.part == .embeddingB
        let isA = name.part == .a || name.part == .embeddingA
        guard halves.add(tensor, isA: isA, to: name.module + (isEmbedding ? Self.embedding : "")) else {
          faults.append(
            bad(.badTensor, tensor, found: "another such tensor of " + quoted(name.module), expected: "one"))
          continue
        }
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
    for key in halves.modules {
      do throws(AdapterError.Violation) {
        let isEmbedding = key.hasSuffix(Self.embedding)
        let names = isEmbedding ? ("lora_embedding_A", "lora_embedding_B") : ("lora_A", "lora_B")
        let (a, b) = try halves.pair(of: key, file: file, names: names)
        let paths = (PEFTTensorName(a.name).path, PEFTTensorName(b.name).path)
        guard paths.0.isSame(as: paths.1) else {
          throw bad(
            .badTensor, b, found: "the path \(quoted(paths.1)), where its \(names.0) has \(quoted(paths.0))",
            expected: "both halves of a pair under one path")
        }
        if let entry = entry(a, b, isEmbedding: isEmbedding, &faults) { entries.append(entry) }
      } catch {
        faults.append(error)
      }
    }
    notes += wrappers.sorted().map { wrapper in
      let origin = PEFTTensorName.origins[wrapper] ?? "a model of images and text"
      return
        "\(file): names of tensors hold \"\(wrapper).\", the mark of \(origin); they are read as without it."
    }
    return entries
  }

  /// The one fault of a file whose tensors were never gathered; nil if they were.
  private var ungathered: AdapterError.Violation? {
    let empty = tensors.filter { $0.shape == [0] && PEFTTensorName($0.name).part.isHalf }
    guard let first = empty.first else { return nil }
    return bad(
      .badTensor, first,
      found: "shape [0]: no numbers, as in \(empty.count) of \(tensors.count) tensors of the file",
      expected: "the numbers of every matrix",
      advice: "DeepSpeed ZeRO-3 saves empty tensors when it does not gather its parts: set"
        + " stage3_gather_16bit_weights_on_model_save and save again, or run zero_to_fp32.py in the checkpoint."
    )
  }

  /// Marks the key of an embedding's pair, because a module may have one of each kind.
  private static let embedding = "\u{0}embedding"

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
          tensor,
          scale: settings.scale(rank: settings.rank(of: name.path), alpha: settings.alpha(of: name.path)))
      case .trainableTokens: .rows(tensor, ids: settings.tokenIDs(of: name.path))
      case .bias: .bias(tensor)
      case .full(let parameter): .full(tensor, parameter: parameter)
      default: preconditionFailure("no entry of one tensor")
      }
    return entry(name, content, [tensor.name])
  }

  private func entry(
    _ a: Tensor, _ b: Tensor, isEmbedding: Bool, _ faults: inout [AdapterError.Violation]
  ) -> AdapterEntry? {
    let before = faults.count
    let name = PEFTTensorName(a.name)
    let rank = settings.rank(of: name.path)
    let isConvolution = a.shape.count > 2 && a.shape.count == b.shape.count
    check(a, isA: true, rank: rank, isConvolution: isConvolution, &faults)
    check(b, isA: false, rank: rank, isConvolution: isConvolution, &faults)
    guard faults.count == before else { return nil }
    let alpha = settings.alpha(of: name.path)
    let low = LowRankPair(
      a: a, b: b, scale: settings.scale(rank: rank, alpha: alpha),
      scaleOrigin: settings.usesRSLoRA ? .alphaOverRootRank : .alphaOverRank, alpha: alpha)
    return entry(
      name,
      isEmbedding ? .embedding(low) : isConvolution ? .convolution(low) : .lowRank(low),
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
