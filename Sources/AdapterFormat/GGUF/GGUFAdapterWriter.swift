import ModelFiles

/// Writes LoRA adapters as llama.cpp reads them.
enum GGUFAdapterWriter {
  /// Writes the file whole or not at all.
  static func write(
    _ archive: AdapterArchive, base: BaseArchitecture?, to path: String
  ) throws(AdapterError) {
    var violations = archive.mathematicalObstacles(file: path)
    for entry in archive.entries where !isRepresentable(entry) {
      violations.append(
        .init(
          .unsupported(entry.kind), file: path, place: "module " + quoted(entry.module),
          found: "an entry of the kind " + entry.kind,
          expected: "low-rank pairs of linear layers and of embed_tokens: llama.cpp applies nothing else"))
    }
    var tensors: [Tensor] = []
    var metadata: [(key: String, value: GGUFValue)] = []
    do throws(AdapterError.Violation) {
      let names = try GGUFModuleNames(base ?? architecture(of: archive), file: path)
      let scale = try GGUFScale(archive.entries, file: path)
      for entry in archive.entries {
        do throws(AdapterError.Violation) {
          tensors += try self.tensors(entry, names, scale, file: path)
        } catch {
          violations.append(error)
        }
      }
      metadata = self.metadata(archive, names, alpha: scale.alpha)
    } catch {
      violations.append(error)
    }
    guard violations.isEmpty else { throw AdapterError(path: path, violations: violations) }
    do throws(ModelFilesError) {
      try GGUFWriter.write(metadata: metadata, tensors: tensors, to: path)
    } catch {
      throw AdapterError(path: path, violations: [.init(error)])
    }
  }

  /// The architecture that a GGUF source stated.
  private static func architecture(of archive: AdapterArchive) -> BaseArchitecture? {
    guard let config = archive.ggufConfiguration else { return nil }
    return GGUFConfiguration.architecture { key in GGUFConfiguration.value(config, key) }
  }

  private static func isRepresentable(_ entry: AdapterEntry) -> Bool {
    switch entry.content {
    case .lowRank: entry.module != "embed_tokens"
    case .embedding: entry.module == "embed_tokens"
    default: false
    }
  }

  private static func tensors(
    _ entry: AdapterEntry, _ names: GGUFModuleNames, _ scale: GGUFScale, file: String
  ) throws(AdapterError.Violation) -> [Tensor] {
    guard isRepresentable(entry), let pair = entry.pair else { return [] }
    let place = "module " + quoted(entry.module)
    guard let name = names.name(of: entry.module) else {
      throw .init(
        .unsupported("module"), file: file, place: place, found: "a module without a name in GGUF",
        expected: "projections of attention and MLP, embed_tokens or lm_head")
    }
    guard names.rowsFit(entry.module, pair.outputCount) else {
      throw .init(
        .badTensor, file: file, place: place, found: "\(pair.outputCount) rows",
        expected: "a multiple of twice the number of heads",
        advice: "This is another base: name the right one.")
    }
    guard let b = GGUFScale.multiplied(pair.b, by: scale.factor(pair)) else {
      throw .init(
        .unsupported("alpha_pattern"), file: file, place: place,
        found: "a scale of \(pair.scale) that B cannot take over without losing digits",
        expected: "scales that one alpha gives: GGUF has one", advice: "Convert to .tina or PEFT.")
    }
    // GGUF stores the table's A with one row per token.
    let a = entry.module == "embed_tokens" ? pair.a.transposed() : pair.a
    let ordered = names.toGGUF(b, module: entry.module)
    return [a.renamed(name + ".lora_a"), ordered.renamed(name + ".lora_b")]
  }

  private static func metadata(
    _ archive: AdapterArchive, _ names: GGUFModuleNames, alpha: Float
  ) -> [(key: String, value: GGUFValue)] {
    var metadata: [(key: String, value: GGUFValue)] = [
      ("general.architecture", .text(names.architecture)), ("general.type", .text("adapter")),
      ("adapter.type", .text("lora")), ("adapter.lora.alpha", .float32(alpha)),
    ]
    let (base, name) = (names.base, names.architecture)
    if names.needsHeads, let heads = base.headCount, let keyValueHeads = base.keyValueHeadCount {
      // llama.cpp does not need them, but programs that restore the order of rows do.
      metadata.append((name + ".attention.head_count", .uint32(UInt32(clamping: heads))))
      metadata.append((name + ".attention.head_count_kv", .uint32(UInt32(clamping: keyValueHeads))))
    }
    if let config = archive.ggufConfiguration {
      for key in config.keys where !metadata.contains(where: { $0.key == key }) && key != "general.alignment"
      {
        if let value = GGUFConfiguration.value(config, key) { metadata.append((key, value)) }
      }
    } else if let name = archive.baseModelName {
      metadata.append(("general.base_model.count", .uint32(1)))
      metadata.append(("general.base_model.0.name", .text(name)))
    }
    return metadata
  }
}
