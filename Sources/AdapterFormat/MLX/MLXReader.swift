import ModelFiles

/// Reads an MLX adapter: mlx-lm's safetensors, whose pairs are stored transposed, and its configuration.
struct MLXReader {
  private let place: AdapterPlace
  private let configFile: String
  private let file: String

  init(_ place: AdapterPlace) {
    self.place = place
    configFile = place.config ?? ""
    file = place.weights ?? configFile
  }

  private struct Settings {
    /// The factor of B·A, used as it stands.
    var scale: Float
    var rank: Int?
  }

  private func bad(
    _ kind: AdapterError.Kind, _ place: String, found: String, expected: String, advice: String = "",
    file: String? = nil
  ) -> AdapterError.Violation {
    .init(kind, file: file ?? self.file, place: place, found: found, expected: expected, advice: advice)
  }

  func read() -> AdapterReading {
    var reading = AdapterReading(format: .mlx, files: [])
    if let violation = place.violation { reading.faults.append(violation) }
    do throws(ModelFilesError) {
      let json = try JSON.parse(path: configFile, maximumByteCount: 16 << 20)
      guard let config = json.object else {
        throw ModelFilesError(
          .malformed, file: configFile, place: "byte 0", found: json.summary, expected: "an object")
      }
      reading.files.append(configFile)
      let isFull = config["fine_tune_type"]?.string == "full"
      checkKind(config, &reading.faults)
      let settings = isFull ? Settings(scale: 1) : settings(config, &reading)
      var entries: [AdapterEntry] = []
      var metadata: [(key: String, value: String)] = []
      if let weights = place.weights {
        let tensors = try SafetensorsFile(path: weights)
        reading.files.append(weights)
        metadata = tensors.metadata
        if let settings { entries = self.entries(tensors.tensors, settings, &reading.faults) }
      }
      reading.archive = AdapterArchive(
        entries: entries, configuration: config, tensorMetadata: metadata,
        baseModelName: config["model"]?.string)
    } catch {
      reading.faults.append(.init(error))
    }
    return reading
  }

  private func checkKind(_ config: JSONObject, _ faults: inout [AdapterError.Violation]) {
    let kind = config["fine_tune_type"] ?? .string("lora")
    if ["lora", "dora", "full"].contains(kind.string) { return }
    faults.append(
      bad(
        .badValue, "key \"fine_tune_type\"", found: kind.summary, expected: "\"lora\", \"dora\" or \"full\"",
        file: configFile))
  }

  private func settings(_ config: JSONObject, _ reading: inout AdapterReading) -> Settings? {
    guard let parameters = config["lora_parameters"]?.object else {
      reading.faults.append(
        bad(
          .badValue, "key \"lora_parameters\"", found: config["lora_parameters"]?.summary ?? "nothing",
          expected: "an object with the scale", file: configFile))
      return nil
    }
    guard let number = parameters["scale"]?.double, Float(number).isFinite else {
      reading.faults.append(
        bad(
          .badValue, "key \"lora_parameters.scale\"", found: parameters["scale"]?.summary ?? "nothing",
          expected: "a number: the factor of the update", file: configFile))
      return nil
    }
    var rank: Int?
    if let value = parameters["rank"], !value.isNull {
      guard let given = value.int, (1...65536).contains(given) else {
        reading.faults.append(
          bad(
            .badValue, "key \"lora_parameters.rank\"", found: value.summary,
            expected: "a whole number from 1 to 65536", file: configFile))
        return nil
      }
      rank = given
    }
    // From January to June 2024 mlx-lm multiplied by alpha / rank as well; its files do not tell their age.
    if let alpha = parameters["alpha"]?.double, let rank, alpha != Double(rank) {
      reading.notes.append(
        "\(configFile) has both scale \(number) and alpha \(alpha): the scale is used as mlx-lm uses it since June"
          + " 2024; a file from before meant \(number * alpha / Double(rank)).")
    }
    return Settings(scale: Float(number), rank: rank)
  }

  private func entries(
    _ tensors: [Tensor], _ settings: Settings, _ faults: inout [AdapterError.Violation]
  ) -> [AdapterEntry] {
    guard !tensors.isEmpty else {
      faults.append(bad(.malformed, "", found: "no tensors", expected: "low-rank pairs"))
      return []
    }
    var halves: [String: (a: Tensor?, b: Tensor?)] = [:]
    var order: [String] = []
    var entries: [AdapterEntry] = []
    for tensor in tensors {
      if tensor.name.hasSuffix(".lora_a") || tensor.name.hasSuffix(".lora_b") {
        let path = String(tensor.name.dropLast(".lora_a".count))
        if halves[path] == nil { order.append(path) }
        var pair = halves[path] ?? (nil, nil)
        if tensor.name.hasSuffix("a") { pair.a = tensor } else { pair.b = tensor }
        halves[path] = pair
      } else if tensor.name.hasSuffix(".m") {
        entries.append(entry(String(tensor.name.dropLast(2)), .magnitude(tensor)))
      } else {
        let name = PEFTTensorName(tensor.name)
        let content: AdapterEntry.Content
        switch name.part {
        case .bias: content = .bias(tensor)
        case .full(let parameter): content = .full(tensor, parameter: parameter)
        default:
          faults.append(
            bad(
              .badTensor, "tensor " + quoted(tensor.name), found: "PEFT's name in an MLX adapter",
              expected: "names that end in .lora_a, .lora_b or .m"))
          continue
        }
        entries.append(entry(name.path, content))
      }
    }
    for path in order {
      if let pair = halves[path], let entry = entry(path, pair, settings, &faults) { entries.append(entry) }
    }
    return entries
  }

  private func entry(_ path: String, _ content: AdapterEntry.Content) -> AdapterEntry {
    AdapterEntry(module: PEFTTensorName.module(of: path), path: path, content: content)
  }

  private func entry(
    _ path: String, _ pair: (a: Tensor?, b: Tensor?), _ settings: Settings,
    _ faults: inout [AdapterError.Violation]
  ) -> AdapterEntry? {
    guard let a = pair.a, let b = pair.b else {
      faults.append(
        bad(
          .badTensor, "tensor " + quoted((pair.a ?? pair.b)?.name ?? ""),
          found: "no lora_\(pair.a == nil ? "a" : "b") for it", expected: "a complete pair",
          advice: "The file is incomplete: get it again."))
      return nil
    }
    guard a.shape.count == 2, b.shape.count == 2, !a.shape.contains(0), !b.shape.contains(0),
      a.shape[1] == b.shape[0], a.shape[1] == settings.rank ?? a.shape[1], a.shape[1] <= 65536
    else {
      let rank = settings.rank.map { "\($0)" } ?? "rank"
      faults.append(
        bad(
          .badTensor, "module " + quoted(path), found: "shapes \(a.shape) and \(b.shape)",
          expected: "[in, \(rank)] and [\(rank), out]",
          advice: "Configuration and weights are of different adapters, or it is a mixture of experts."))
      return nil
    }
    for tensor in [a, b] where !tensor.elementType.readsAsFloats {
      faults.append(
        bad(
          .badTensor, "tensor " + quoted(tensor.name), found: "type " + tensor.elementType.rawValue,
          expected: "F32, F16 or BF16"))
      return nil
    }
    let low = LowRankPair(
      a: a.transposed(), b: b.transposed(), scale: settings.scale, scaleOrigin: .stated, alpha: nil)
    return entry(path, MLXNames.isTable(path) ? .embedding(low) : .lowRank(low))
  }
}

/// What MLX's names tell.
enum MLXNames {
  /// Whether a module is an embedding: MLX's names of the pairs are the same for both.
  static func isTable(_ path: String) -> Bool {
    ["embed_tokens", "wte", "word_embeddings", "tok_embeddings"].contains(
      path.split(separator: ".").last ?? "")
  }
}
