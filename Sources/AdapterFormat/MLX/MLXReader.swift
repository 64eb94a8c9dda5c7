import ModelFiles

/// Reads an MLX adapter: mlx-lm's safetensors, whose pairs are stored transposed, and its configuration.
struct MLXReader {
  private let place: AdapterPlace
  private let configFile: String
  private let file: String

  init(_ place: AdapterPlace) {
    self.place = place
    configFile = place.config?.path ?? ""
    file = place.weights ?? configFile
  }

  private struct Settings {
    /// The factor of B·A.
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
      guard let config = try place.config?.contents.get() else { return reading }
      reading.files.append(configFile)
      let isFull = config["fine_tune_type"]?.word == "full"
      checkKind(config, &reading.faults)
      let settings = isFull ? Settings(scale: 1) : settings(config, &reading)
      var entries: [AdapterEntry] = []
      var metadata: [(key: String, value: String)] = []
      if let weights = place.weights {
        let tensors = try SafetensorsFile(path: weights, .copied)
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
    if ["lora", "dora", "full"].contains(kind.word) { return }
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
    // From January to June 2024 mlx-lm also multiplied by alpha / rank; files do not state their age.
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
    var halves = PairHalves()
    var entries: [AdapterEntry] = []
    for tensor in tensors {
      if tensor.name.hasSuffix(".lora_a") || tensor.name.hasSuffix(".lora_b") {
        let path = String(tensor.name.dropLast(".lora_a".count))
        _ = halves.add(tensor, isA: tensor.name.hasSuffix("a"), to: path)
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
    for path in halves.modules {
      do throws(AdapterError.Violation) {
        entries.append(try entry(path, halves.pair(of: path, file: file), settings))
      } catch {
        faults.append(error)
      }
    }
    return entries
  }

  private func entry(_ path: String, _ content: AdapterEntry.Content) -> AdapterEntry {
    AdapterEntry(module: PEFTTensorName.module(of: path), path: path, content: content)
  }

  private func entry(
    _ path: String, _ pair: (a: Tensor, b: Tensor), _ settings: Settings
  ) throws(AdapterError.Violation) -> AdapterEntry {
    let (a, b) = pair
    guard a.shape.count == 2, b.shape.count == 2, !a.shape.contains(0), !b.shape.contains(0),
      a.shape[1] == b.shape[0], a.shape[1] == settings.rank ?? a.shape[1], a.shape[1] <= 65536
    else {
      let rank = settings.rank.map { "\($0)" } ?? "rank"
      throw bad(
        .badTensor, "module " + quoted(path), found: "shapes \(a.shape) and \(b.shape)",
        expected: "[in, \(rank)] and [\(rank), out]",
        advice: "Configuration and weights are of different adapters, or it is a mixture of experts.")
    }
    for tensor in [a, b] where !tensor.elementType.readsAsFloats {
      throw bad(
        .badTensor, "tensor " + quoted(tensor.name), found: "type " + tensor.elementType.rawValue,
        expected: "F32, F16 or BF16")
    }
    let low = LowRankPair(
      a: a.transposed(), b: b.transposed(), scale: settings.scale)
    return entry(path, MLXNames.isTable(path) ? .embedding(low) : .lowRank(low))
  }
}

/// Rules of MLX's names.
enum MLXNames {
  /// Whether a module is an embedding: MLX's names of the pairs are the same for both.
  static func isTable(_ path: String) -> Bool {
    ["embed_tokens", "wte", "word_embeddings", "tok_embeddings"].contains(
      path.split(separator: ".").last ?? "")
  }
}
