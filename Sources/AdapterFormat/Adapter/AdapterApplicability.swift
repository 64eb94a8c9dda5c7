import ModelFiles

/// Judges which entries of an archive can be applied, and says of every other why not.
struct AdapterApplicability {
  private(set) var modules: [AdapterModule] = []
  private(set) var violations: [AdapterError.Violation] = []
  /// The file that holds the tensors, for messages.
  private let file: String

  /// - Parameter base: what is known of the base, to say how it differs.
  init(_ adapter: AdapterFile, _ base: BaseArchitecture?) {
    file = adapter.files.last ?? adapter.path
    let archive = adapter.archive
    if adapter.format != .peft, let settings = adapter.peft {
      // The configuration came along from PEFT: what it says against applying still holds.
      violations += settings.faults + settings.obstacles
    }
    for entry in archive.entries {
      if case .lowRank(let pair) = entry.content {
        add(entry, pair, adapter.peft)
      } else {
        refuse(entry, base)
      }
    }
    if archive.entries.isEmpty == false, modules.isEmpty, violations.isEmpty {
      violations.append(.init(.malformed, file: file, found: "no low-rank pair", expected: "at least one"))
    }
    checkFused(archive.entries)
  }

  private mutating func add(_ entry: AdapterEntry, _ pair: LowRankPair, _ settings: PEFTSettings?) {
    let before = violations.count
    for tensor in [pair.a, pair.b] {
      guard let index = tensor.firstNonFinite else { continue }
      violations.append(
        .init(
          .badTensor, file: file, place: "tensor " + quoted(tensor.name),
          found: "a number that is not finite, at element \(index)", expected: "finite numbers",
          advice: "Training diverged: use an earlier checkpoint."))
    }
    if let settings, !settings.isTarget(entry.path) {
      violations.append(
        .init(
          .badTensor, file: file, place: "module " + quoted(entry.module),
          found: "a pair that target_modules does not cover", expected: "only modules that training targeted",
          advice: "Configuration and weights are of different adapters."))
    }
    guard violations.count == before else { return }
    modules.append(AdapterModule(name: entry.module, pair: pair))
  }

  private mutating func refuse(_ entry: AdapterEntry, _ base: BaseArchitecture?) {
    let (feature, found): (String, String) =
      switch entry.content {
      case .lowRank: ("", "")
      case .convolution: ("convolution", "a low-rank pair of a convolution")
      case .embedding:
        ("lora_embedding", "a low-rank pair of an embedding (lora_embedding_A, lora_embedding_B)")
      case .magnitude: ("use_dora", "a magnitude vector of DoRA")
      case .pairBias: ("lora_bias", "a bias of a low-rank pair (lora_bias)")
      case .rows: ("trainable_token_indices", "rows of single tokens (trainable_token_indices)")
      case .bias: ("bias", "a bias of the base (bias or modules_to_save)")
      case .full(let tensor, _):
        ("modules_to_save", "a whole module of the base (modules_to_save)" + resized(entry, tensor, base))
      }
    violations.append(
      .init(
        .unsupported(feature), file: file, place: "tensor " + quoted(entry.peftNames[0]), found: found,
        expected: "lora_A.weight and lora_B.weight only"))
  }

  /// What a table of another number of rows than the base's tells.
  private func resized(_ entry: AdapterEntry, _ tensor: Tensor, _ base: BaseArchitecture?) -> String {
    guard ["lm_head", "embed_tokens"].contains(entry.module), let rows = tensor.shape.first else { return "" }
    guard let own = base?.vocabularySize, own != rows else { return " of \(rows) rows" }
    return " of \(rows) rows, where the base has \(own): the vocabulary was resized before training"
  }

  /// GPT-2's `c_attn` holds queries, keys and values in one transposed matrix.
  private mutating func checkFused(_ entries: [AdapterEntry]) {
    let fused = entries.map(\.module).filter { $0 == "c_attn" || $0.hasSuffix(".c_attn") }
    guard let first = fused.first else { return }
    violations.append(
      .init(
        .unsupported("c_attn"), file: file, place: "module " + quoted(first),
        found: "GPT-2's fused projection c_attn of queries, keys and values, in \(fused.count) modules",
        expected: "one module for each projection", advice: "Adapters of GPT-2 cannot be applied here."))
  }
}
