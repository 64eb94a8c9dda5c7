import ModelFiles

/// Judges which entries of an archive can be applied, and says of every other why not.
struct AdapterApplicability {
  private(set) var modules: [AdapterModule] = []
  private(set) var saved: [SavedParameter] = []
  /// What ``modules`` and ``saved`` are made of.
  private(set) var entries: [AdapterEntry] = []
  private(set) var violations: [AdapterError.Violation] = []
  /// The file that holds the tensors, for messages.
  private let file: String
  private let settings: PEFTSettings?
  private let base: BaseArchitecture?

  /// - Parameter base: what is known of the base, to say how it differs.
  init(_ adapter: AdapterFile, _ base: BaseArchitecture?) {
    file = adapter.files.last ?? adapter.path
    settings = adapter.peft
    self.base = base
    let archive = adapter.archive
    if adapter.format != .peft, let settings {
      // The configuration came along from PEFT: what it says against applying still holds.
      violations += settings.faults + settings.obstacles
    }
    var magnitudes: [String: AdapterEntry] = [:]
    for entry in archive.entries {
      if case .magnitude = entry.content { magnitudes[entry.module] = entry }
    }
    for entry in archive.entries {
      switch entry.content {
      case .lowRank(let pair): add(entry, pair, isTable: false, magnitudes.removeValue(forKey: entry.module))
      case .embedding(let pair): add(entry, pair, isTable: true, nil)
      case .full(let tensor, let parameter): add(entry, tensor, parameter)
      case .bias(let tensor): add(entry, tensor, "bias")
      case .magnitude: entries.append(entry)
      default: refuse(entry)
      }
    }
    for entry in magnitudes.values.sorted(by: { $0.precedes($1) }) {
      violations.append(
        .init(
          .unsupported("use_dora"), file: file, place: "tensor " + quoted(entry.peftNames[0]),
          found: "a magnitude vector of DoRA without the pair of a linear layer",
          expected: "lora_A.weight and lora_B.weight beside it"))
    }
    let isEmpty = archive.entries.allSatisfy { $0.pair == nil }
    if !archive.entries.isEmpty, isEmpty, saved.isEmpty, violations.isEmpty {
      violations.append(.init(.malformed, file: file, found: "no low-rank pair", expected: "at least one"))
    }
    checkFused(archive.entries)
    if let settings { checkContents(settings, archive.entries) }
  }

  /// What the configuration promises must be in the file.
  private mutating func checkContents(_ settings: PEFTSettings, _ all: [AdapterEntry]) {
    func add(_ key: String, _ expected: String, _ advice: String) {
      violations.append(
        .init(
          .unsupported(key), file: settings.file, place: "key " + quoted(key),
          found: settings.object[key]?.summary ?? "nothing", expected: expected, advice: advice))
    }
    if settings.usesDoRA, let bare = modules.first(where: { $0.magnitude == nil && !$0.isTable }) {
      add(
        "use_dora", "a lora_magnitude_vector for every pair: \(printable(bare.name)) has none",
        "Configuration and weights are of different adapters.")
    }
    let whole = all.filter { if case .full = $0.content { true } else { $0.tinaKind == .bias } }
    if let absent = settings.modulesToSave.first(where: { name in !whole.contains { $0.isIn(name) } }) {
      add(
        "modules_to_save", "the tensors of these modules in the file: there is none of \(quoted(absent))",
        "The file is incomplete: save the adapter again.")
    }
    if settings.changesBiases, !all.contains(where: { $0.tinaKind == .bias }) {
      add(
        "bias", "biases in the file, or \"none\": there are none",
        "Some versions of PEFT forget to save them. If the base has no biases, write \"none\".")
    }
  }

  private mutating func add(
    _ entry: AdapterEntry, _ pair: LowRankPair, isTable: Bool, _ magnitude: AdapterEntry?
  ) {
    let before = violations.count
    for tensor in [pair.a, pair.b] { checkFinite(tensor) }
    // With a tie, PEFT adds the other table's pair itself.
    let isTiedTable =
      settings?.tiesWeights == true && ["lm_head", "embed_tokens"].contains(entry.module)
    if let settings, !isTiedTable, !settings.isTarget(entry.path) {
      violations.append(
        .init(
          .badTensor, file: file, place: "module " + quoted(entry.module),
          found: "a pair that target_modules does not cover", expected: "only modules that training targeted",
          advice: "Configuration and weights are of different adapters."))
    }
    let vector = magnitude?.tensors.first
    if let vector, isFloat(vector) {
      checkFinite(vector)
      if vector.elementCount != pair.outputCount {
        violations.append(
          .init(
            .badTensor, file: file, place: "tensor " + quoted(vector.name), found: "shape \(vector.shape)",
            expected: "[\(pair.outputCount)]: a magnitude for each output of \(printable(entry.module))"))
      }
    }
    guard violations.count == before else { return }
    modules.append(AdapterModule(name: entry.module, pair: pair, isTable: isTable, magnitude: vector))
    entries.append(entry)
  }

  private mutating func add(_ entry: AdapterEntry, _ tensor: Tensor, _ parameter: String) {
    let before = violations.count
    if isFloat(tensor) { checkFinite(tensor) }
    let table = ["lm_head", "embed_tokens"].contains(entry.module) && parameter == "weight"
    if table, let rows = tensor.shape.first, let own = base?.vocabularySize, own != rows {
      violations.append(
        .init(
          .unsupported("modules_to_save"), file: file, place: "tensor " + quoted(entry.peftNames[0]),
          found:
            "a whole module of the base (modules_to_save) of \(rows) rows, where the base has \(own): the"
            + " vocabulary was resized before training",
          expected: "\(own) rows",
          advice: "Name the base with the resized vocabulary, or resize this one first."))
    }
    // The embedding and the head come along unasked where the vocabulary was resized.
    if let settings, parameter != "bias", !table, !settings.modulesToSave.contains(where: entry.isIn) {
      violations.append(
        .init(
          .badTensor, file: file, place: "tensor " + quoted(entry.peftNames[0]),
          found: "a whole module that modules_to_save does not name",
          expected: "only modules that training targeted",
          advice: "Configuration and weights are of different adapters."))
    }
    guard violations.count == before else { return }
    saved.append(SavedParameter(module: entry.module, parameter: parameter, tensor: tensor))
    entries.append(entry)
  }

  private mutating func isFloat(_ tensor: Tensor) -> Bool {
    if tensor.elementType.readsAsFloats { return true }
    violations.append(
      .init(
        .badTensor, file: file, place: "tensor " + quoted(tensor.name),
        found: "type " + tensor.elementType.rawValue, expected: "F32, F16 or BF16"))
    return false
  }

  private mutating func checkFinite(_ tensor: Tensor) {
    guard let index = tensor.firstNonFinite else { return }
    violations.append(
      .init(
        .badTensor, file: file, place: "tensor " + quoted(tensor.name),
        found: "a number that is not finite, at element \(index)", expected: "finite numbers",
        advice: "Training diverged: use an earlier checkpoint."))
  }

  private mutating func refuse(_ entry: AdapterEntry) {
    let (feature, found): (String, String) =
      switch entry.content {
      case .convolution: ("convolution", "a low-rank pair of a convolution")
      case .pairBias: ("lora_bias", "a bias of a low-rank pair (lora_bias)")
      case .rows: ("trainable_token_indices", "rows of single tokens (trainable_token_indices)")
      default: (entry.kind, "an entry of the kind " + entry.kind)
      }
    violations.append(
      .init(
        .unsupported(feature), file: file, place: "tensor " + quoted(entry.peftNames[0]), found: found,
        expected: "pairs of linear layers and of the embedding, magnitudes, weights and biases"))
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

extension AdapterEntry {
  /// Whether `name`, as `modules_to_save` has it, is its module or one around it.
  fileprivate func isIn(_ name: String) -> Bool {
    ".\(path.isEmpty ? module : path).".contains("." + name + ".")
  }
}
