import ModelFiles

/// Reads LoRA adapters made for llama.cpp.
struct GGUFAdapterReader {
  let file: GGUFFile
  let base: BaseArchitecture?

  private func bad(
    _ kind: AdapterError.Kind, _ place: String, found: String, expected: String, advice: String = ""
  ) -> AdapterError.Violation {
    .init(kind, file: file.path, place: place, found: found, expected: expected, advice: advice)
  }

  func read() -> AdapterReading {
    var reading = AdapterReading(format: .gguf, files: file.files)
    for (key, wanted) in [("general.type", "adapter"), ("adapter.type", "lora")]
    where file[key]?.word != wanted {
      let isModel = key == "general.type" && file[key]?.word != "adapter"
      reading.faults.append(
        bad(
          .badValue, "key \"\(key)\"", found: file[key]?.summary ?? "nothing", expected: "\"\(wanted)\"",
          advice: isModel ? "This is no adapter; name it as the base if it is a model." : ""))
      return reading
    }
    let alpha: Float
    switch file["adapter.lora.alpha"] {
    case nil: alpha = 0
    case .float32(let value)? where value.isFinite: alpha = value
    case let other?:
      reading.faults.append(
        bad(.badValue, "key \"adapter.lora.alpha\"", found: other.summary, expected: "a finite float32"))
      return reading
    }
    if let tokens = file["adapter.alora.invocation_tokens"] {
      reading.obstacles.append(
        bad(
          .unsupported("alora_invocation_tokens"), "key \"adapter.alora.invocation_tokens\"",
          found: tokens.summary,
          expected: "none: an adapter that acts only after certain tokens (aLoRA) is not applied"))
    }
    let names: GGUFModuleNames
    do throws(AdapterError.Violation) {
      names = try GGUFModuleNames(architecture(), file: file.path)
    } catch {
      reading.faults.append(error)
      return reading
    }
    let entries = entries(names, alpha: alpha, &reading.faults)
    reading.archive = AdapterArchive(
      entries: entries, configuration: GGUFConfiguration.object(file.metadata),
      baseModelName: file["general.base_model.0.name"]?.text)
    return reading
  }

  /// The file's architecture, completed by the caller's numbers of heads.
  private func architecture() -> BaseArchitecture? {
    guard let own = GGUFConfiguration.architecture({ file[$0] }) else { return base }
    guard let base, own.headCount == nil, FamilyNames(base.name)?.gguf == own.name else { return own }
    return base
  }

  private func entries(
    _ names: GGUFModuleNames, alpha: Float, _ faults: inout [AdapterError.Violation]
  ) -> [AdapterEntry] {
    guard !file.tensors.isEmpty else {
      faults.append(bad(.malformed, "", found: "no tensors", expected: "low-rank pairs"))
      return []
    }
    var halves = PairHalves()
    var entries: [AdapterEntry] = []
    for tensor in file.tensors {
      // Some programs add norms, tables and biases as a whole; llama.cpp leaves norms unused.
      if let (path, parameter) = names.whole(tensor.name) {
        do throws(AdapterError.Violation) {
          let numbers = names.wholeFromGGUF(try floats(tensor), path: path)
          entries.append(
            AdapterEntry(
              module: PEFTTensorName.module(of: path), path: path,
              content: parameter == "bias" ? .bias(numbers) : .full(numbers, parameter: parameter)))
        } catch {
          faults.append(error)
        }
        continue
      }
      let isA = tensor.name.hasSuffix(".lora_a")
      let name = String(tensor.name.dropLast(".lora_a".count))
      guard isA || tensor.name.hasSuffix(".lora_b"), let module = names.module(of: name) else {
        faults.append(
          bad(
            .unsupported("tensor"), "tensor " + quoted(tensor.name),
            found: "a tensor that is neither half of a known module's pair nor a known module's own",
            expected: "names such as \"blk.0.attn_q.weight.lora_a\" and \"blk.0.attn_norm.weight\""))
        continue
      }
      _ = halves.add(tensor, isA: isA, to: module)
    }
    for module in halves.modules {
      do throws(AdapterError.Violation) {
        entries.append(try entry(module, halves.pair(of: module, file: file.path), names, alpha: alpha))
      } catch {
        faults.append(error)
      }
    }
    return entries
  }

  private func entry(
    _ module: String, _ pair: (a: Tensor, b: Tensor), _ names: GGUFModuleNames, alpha: Float
  ) throws(AdapterError.Violation) -> AdapterEntry {
    var (a, b) = (try floats(pair.a), try floats(pair.b))
    let isTable = module == "embed_tokens"
    guard a.shape.count == 2, b.shape.count == 2, !a.shape.contains(0), !b.shape.contains(0),
      a.shape[isTable ? 1 : 0] == b.shape[1], a.shape[isTable ? 1 : 0] <= 65536
    else {
      throw bad(
        .badTensor, "module " + quoted(module), found: "shapes \(a.shape) and \(b.shape)",
        expected: isTable ? "[vocabulary, rank] and [width, rank]" : "[rank, in] and [out, rank]")
    }
    guard names.rowsFit(module, b.shape[0]) else {
      throw bad(
        .badTensor, "module " + quoted(module), found: "\(b.shape[0]) rows",
        expected: "a multiple of twice the number of heads", advice: "Name the right base.")
    }
    if isTable { a = a.transposed() }
    b = names.fromGGUF(b, module: module)
    let low = LowRankPair(
      a: a, b: b, scale: alpha == 0 ? 1 : alpha / Float(b.shape[1]),
      scaleOrigin: alpha == 0 ? .stated : .alphaOverRank, alpha: alpha == 0 ? nil : Double(alpha))
    return AdapterEntry(
      module: module, path: GGUFModuleNames.path(of: module),
      content: isTable ? .embedding(low) : .lowRank(low))
  }

  /// A float tensor as it is, or Q8_0 widened exactly to F32.
  private func floats(_ tensor: Tensor) throws(AdapterError.Violation) -> Tensor {
    if tensor.elementType.readsAsFloats { return tensor }
    guard tensor.elementType == .q8_0 else {
      throw bad(
        .badTensor, "tensor " + quoted(tensor.name), found: "type " + tensor.elementType.rawValue,
        expected: "F32, F16, BF16 or Q8_0")
    }
    let bytes = unsafe UnsafeRawBufferPointer(start: tensor.baseAddress, count: tensor.byteRange.count)
    var values: [Float] = []
    values.reserveCapacity(tensor.byteRange.count / 34 * 32)
    for block in 0..<tensor.byteRange.count / 34 {
      let bits = unsafe bytes.loadUnaligned(fromByteOffset: 34 * block, as: UInt16.self)
      let scale = float(float16: UInt16(littleEndian: bits))
      for i in 0..<32 {
        let quantum = unsafe bytes.load(fromByteOffset: 34 * block + 2 + i, as: Int8.self)
        values.append(scale * Float(quantum))
      }
    }
    return Tensor(name: tensor.name, shape: tensor.shape, floats: values)
  }
}
