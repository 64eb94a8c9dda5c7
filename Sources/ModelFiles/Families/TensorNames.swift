/// A place in a block where a norm can stand.
package enum NormPlace: Int, CaseIterable, Sendable {
  /// Before the attention.
  case input
  /// On each head's queries, before they are rotated.
  case query
  /// On each head's keys, before they are rotated.
  case key
  /// On what the attention adds to the residual stream.
  case attentionOutput
  /// Before the MLP.
  case feedForward
  /// On what the MLP adds to the residual stream.
  case feedForwardOutput
}

/// Names of a module inside its layer.
package struct ModuleName: Sendable, Equatable {
  /// In a Hugging Face checkpoint.
  package let checkpoint: String
  /// In a GGUF file.
  package let gguf: String

  init(_ checkpoint: String, gguf: String) {
    self.checkpoint = checkpoint
    self.gguf = gguf
  }
}

enum TensorNames {
  /// Norms before attention and MLP, as Llama has them.
  static let preNorms: [NormPlace: ModuleName] = [
    .input: ModuleName("input_layernorm", gguf: "attn_norm"),
    .feedForward: ModuleName("post_attention_layernorm", gguf: "ffn_norm"),
  ]

  /// Norms on each head's queries and keys.
  static let headNorms: [NormPlace: ModuleName] = [
    .query: ModuleName("self_attn.q_norm", gguf: "attn_q_norm"),
    .key: ModuleName("self_attn.k_norm", gguf: "attn_k_norm"),
  ]

  /// Modules outside of layers.
  static let outer = [
    ModuleName("model.embed_tokens", gguf: "token_embd"), ModuleName("lm_head", gguf: "output"),
    ModuleName("model.norm", gguf: "output_norm"),
  ]
}

extension Architecture {
  /// Names of all modules of a layer.
  private var layerModules: [ModuleName] {
    Array(norms.values) + Projection.allCases.map { ModuleName($0.path, gguf: $0.ggufName) }
  }

  /// The checkpoint's name of a GGUF file's tensor; nil if the family has no such tensor.
  package func checkpointName(ofGGUF name: String) -> String? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.last == "weight" || parts.last == "bias" else { return nil }
    if parts.count == 2, let module = TensorNames.outer.first(where: { $0.gguf == parts[0] }) {
      return module.checkpoint + "." + parts[1]
    }
    guard parts.count == 4, parts[0] == "blk", let layer = Int(parts[1]), layer >= 0,
      String(layer) == parts[1],
      let module = layerModules.first(where: { $0.gguf == parts[2] })
    else { return nil }
    return "model.layers.\(layer).\(module.checkpoint).\(parts[3])"
  }

  /// The GGUF file's name of a checkpoint's tensor; nil if the family has no such tensor.
  package func ggufName(of name: String) -> String? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let parameter = parts.last else { return nil }
    let path = parts.dropLast().joined(separator: ".")
    if let module = TensorNames.outer.first(where: { $0.checkpoint == path }) {
      return module.gguf + "." + parameter
    }
    guard parts.count >= 5, parts[0] == "model", parts[1] == "layers" else { return nil }
    let inner = parts[3..<(parts.count - 1)].joined(separator: ".")
    return layerModules.first { $0.checkpoint == inner }.map { "blk.\(parts[2]).\($0.gguf).\(parameter)" }
  }

  /// The width of a norm.
  package func width(_ norm: NormPlace) -> Int {
    norm == .query || norm == .key ? headDim : hiddenSize
  }

  /// Every tensor of a checkpoint by name, with its shape.
  package var tensorShapes: [(name: String, shape: [Int])] {
    var shapes = [
      ("model.embed_tokens.weight", [vocabSize, hiddenSize]), ("model.norm.weight", [hiddenSize]),
    ]
    if !tieWordEmbeddings { shapes.append(("lm_head.weight", [vocabSize, hiddenSize])) }
    for layer in 0..<layerCount {
      let prefix = "model.layers.\(layer)."
      for place in NormPlace.allCases {
        if let norm = norms[place] { shapes.append((prefix + norm.checkpoint + ".weight", [width(place)])) }
      }
      for projection in Projection.allCases {
        let (out, input) = projection.shape(self)
        shapes.append((prefix + projection.path + ".weight", [out, input]))
        if biases.contains(projection) { shapes.append((prefix + projection.path + ".bias", [out])) }
      }
    }
    return shapes
  }

  // MARK: What GGUF stores otherwise

  /// A GGUF file's tensor, which bears the checkpoint's name already, as a checkpoint stores it.
  package func fromGGUF(_ tensor: Tensor) -> Tensor { converted(tensor, toGGUF: false) }

  /// A checkpoint's tensor as a GGUF file stores it, under the same name.
  package func toGGUF(_ tensor: Tensor) -> Tensor { converted(tensor, toGGUF: true) }

  /// Where the rows of a GGUF file's tensor stand in the checkpoint's, or the other way round; nil for the same order.
  ///
  /// - Parameter name: the checkpoint's name.
  package func rowOrder(of name: String, rows: Int, toGGUF: Bool = true) -> (@Sendable (Int) -> Int)? {
    guard let heads = interleavedHeads(name), rows.isMultiple(of: 2 * heads) else { return nil }
    let (whole, half) = (rows / heads, rows / heads / 2)
    return { row in
      let (head, place) = row.quotientAndRemainder(dividingBy: whole)
      return head * whole + (toGGUF ? place % 2 * half + place / 2 : place % half * 2 + place / half)
    }
  }

  private func converted(_ tensor: Tensor, toGGUF: Bool) -> Tensor {
    if let rows = tensor.shape.first, tensor.elementCount > 0,
      let order = rowOrder(of: tensor.name, rows: rows, toGGUF: toGGUF)
    {
      return tensor.movingRows(order)
    }
    // llama.cpp's norms know no offset, so that its files hold the sum.
    let isNorm =
      tensor.name == "model.norm.weight"
      || tensor.name.utf8.reversed().starts(with: "norm.weight".utf8.reversed())
    guard normOffset != 0, isNorm, tensor.elementType.readsAsFloats else { return tensor }
    let offset = toGGUF ? normOffset : -normOffset
    return Tensor(name: tensor.name, shape: tensor.shape, floats: tensor.floats().map { $0 + offset })
  }

  /// Heads of a tensor whose rows GGUF keeps in another order; nil for all others.
  private func interleavedHeads(_ name: String) -> Int? {
    guard pairsAreAdjacentInGGUF else { return nil }
    for (module, heads) in [(Projection.q.path, headCount), (Projection.k.path, keyValueHeadCount)]
    where name.hasSuffix("." + module + ".weight") || name.hasSuffix("." + module + ".bias") {
      return heads
    }
    return nil
  }
}

extension Tensor {
  /// The rows in another order: row i of the result is row `source(i)`. Rows may be blocks of any type.
  fileprivate func movingRows(_ source: (Int) -> Int) -> Tensor {
    let rows = shape[0]
    let width = rows == 0 ? 0 : byteRange.count / rows
    let from = unsafe baseAddress
    let memory = unsafe OwnedBytes(
      byteCount: byteRange.count,
      unsafelyFilledBy: { target in
        guard let to = target.baseAddress else { return }
        for row in 0..<rows {
          let place = source(row)
          precondition(place >= 0 && place < rows)
          unsafe (to + row * width).copyMemory(from: from + place * width, byteCount: width)
        }
      })
    return Tensor(name: name, elementType: elementType, shape: shape, memory: memory)
  }
}
