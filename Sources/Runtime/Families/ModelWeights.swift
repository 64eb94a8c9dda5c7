import Foundation
import ModelFiles

/// The weights of one block.
package struct LayerWeights: Sendable {
  let norms: [Vector?]  // by NormPlace.rawValue, each [hidden] or [head width]
  package let projections: [Matrix]  // by Projection.rawValue, each [out, in]
  let biases: [Vector?]  // by Projection.rawValue, each [out]

  package subscript(projection: Projection) -> Matrix { projections[projection.rawValue] }

  /// A norm's weights with its family's offset; nil where the family has no norm.
  package subscript(norm: NormPlace) -> Vector? { norms[norm.rawValue] }
}

extension Tensor {
  /// Whether kernels compute on it. Vectors must be floats.
  fileprivate var isComputable: Bool {
    elementType.readsAsFloats || (shape.count == 2 && elementType.kernelType != nil)
  }
}

/// A model's tensors, checked against its architecture; matrices stay in the mapped files.
package struct ModelWeights: Sendable {
  let embedding: Matrix  // [vocabulary, hidden]
  package let layers: [LayerWeights]
  package let finalNorm: Vector  // [hidden]
  package let head: Matrix  // [vocabulary, hidden]; the embedding itself when tied

  /// Takes every tensor that the architecture calls for out of `directory`.
  ///
  /// - Throws: `RuntimeError.weightsMismatch` with every missing, misshapen, mistyped or extra tensor.
  init(_ directory: StoredModel, activations: ActivationType) throws(RuntimeError) {
    let config = directory.config
    var taker = TensorTaker(directory.weights)
    let embedding = taker.take("model.embed_tokens.weight", [config.vocabSize, config.hiddenSize])
    let norm = taker.norm("model.norm", config.hiddenSize, config)
    var layers: [LayerWeights] = []
    for layer in 0..<config.layerCount {
      let prefix = "model.layers.\(layer)."
      let norms = NormPlace.allCases.map { place in
        config.norms[place].flatMap { taker.norm(prefix + $0.checkpoint, config.width(place), config) }
      }
      var projections: [Matrix] = []
      var biases: [Vector?] = []
      for projection in Projection.allCases {
        let (out, input) = projection.shape(config)
        if let weight = taker.take(prefix + projection.path + ".weight", [out, input]) {
          projections.append(Matrix(weight, activations: activations))
        }
        let hasBias = config.biases.contains(projection)
        let bias = hasBias ? taker.take(prefix + projection.path + ".bias", [out]) : nil
        biases.append(bias.map { Vector($0.floats()) })
      }
      if taker.violations.count > 1000 { break }
      layers.append(LayerWeights(norms: norms, projections: projections, biases: biases))
    }
    var head: Tensor?
    if config.tieWordEmbeddings {
      taker.dropTiedHead(equalTo: embedding)
    } else {
      head = taker.take("lm_head.weight", [config.vocabSize, config.hiddenSize])
    }
    let violations = taker.finish()
    guard violations.isEmpty, let embedding, let norm else {
      throw .weightsMismatch(path: directory.path, violations: violations)
    }

    self.embedding = Matrix(embedding, activations: activations)
    self.head = Matrix(head ?? embedding, activations: activations)
    finalNorm = norm
    self.layers = layers
  }
}

extension ModelWeights {
  /// The same with some parameters replaced, which have the shapes of those that they replace.
  ///
  /// - Parameter tensors: by their names in the checkpoint. A head that is the embedding has its own name too.
  func replacing(
    _ tensors: [String: Tensor], _ config: Architecture, activations: ActivationType
  ) -> ModelWeights {
    func matrix(_ name: String, _ own: Matrix) -> Matrix {
      tensors[name + ".weight"].map { Matrix($0, activations: activations) } ?? own
    }
    func norm(_ name: String, _ own: Vector?) -> Vector? {
      tensors[name + ".weight"].map { Vector(norm: $0, config) } ?? own
    }
    let changed = layers.indices.map { layer in
      let (own, prefix) = (layers[layer], "model.layers.\(layer).")
      return LayerWeights(
        norms: NormPlace.allCases.map { place in
          config.norms[place].flatMap { norm(prefix + $0.checkpoint, own[place]) }
        },
        projections: Projection.allCases.map { matrix(prefix + $0.path, own[$0]) },
        biases: Projection.allCases.map { projection in
          tensors[prefix + projection.path + ".bias"].map { Vector($0.floats()) }
            ?? own.biases[projection.rawValue]
        })
    }
    return ModelWeights(
      embedding: matrix("model.embed_tokens", embedding), layers: changed,
      finalNorm: norm("model.norm", finalNorm) ?? finalNorm, head: matrix("lm_head", head))
  }

  private init(embedding: Matrix, layers: [LayerWeights], finalNorm: Vector, head: Matrix) {
    self.embedding = embedding
    self.layers = layers
    self.finalNorm = finalNorm
    self.head = head
  }

  /// The kinds of kernels that compute the maps.
  var kernelKinds: Set<Int> {
    layers.reduce(into: [head.kernelKind]) { $0.formUnion($1.projections.map(\.kernelKind)) }
  }
}

extension Vector {
  /// The weights of a norm, with the family's offset.
  fileprivate convenience init(norm tensor: Tensor, _ config: Architecture) {
    self.init(config.normOffset == 0 ? tensor.floats() : tensor.floats().map { config.normOffset + $0 })
  }
}

/// Takes tensors by name and collects everything that is wrong.
private struct TensorTaker {
  var available: [String: Tensor]
  var violations: [String] = []
  private var empty: [String] = []

  init(_ weights: WeightFiles) { available = weights.tensors }

  mutating func take(_ name: String, _ shape: [Int]) -> Tensor? {
    guard let tensor = available.removeValue(forKey: name) else {
      violations.append("\(name): missing, expected shape \(shape)")
      return nil
    }
    guard tensor.shape != [0] else {
      empty.append(name)
      return nil
    }
    guard tensor.shape == shape else {
      violations.append("\(name): found shape \(tensor.shape), expected \(shape)")
      return nil
    }
    guard tensor.isComputable else {
      violations.append(
        "\(name): found element type \(tensor.elementType.rawValue), expected F32, F16 or BF16"
          + (shape.count == 2 ? ", or Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K of a GGUF file" : ""))
      return nil
    }
    return tensor
  }

  /// The weights of a norm, with the family's offset.
  mutating func norm(_ name: String, _ width: Int, _ config: Architecture) -> Vector? {
    take(name + ".weight", [width]).map { Vector(norm: $0, config) }
  }

  /// Takes a tied head that an exporter wrote a second time. Its bytes must be those of the embedding.
  mutating func dropTiedHead(equalTo embedding: Tensor?) {
    guard let embedding, let head = available["lm_head.weight"] else { return }
    if head.shape == embedding.shape, head.elementType == embedding.elementType,
      unsafe memcmp(head.baseAddress, embedding.baseAddress, head.byteRange.count) == 0
    {
      available["lm_head.weight"] = nil
    } else {
      violations.append(
        "lm_head.weight: present and different from model.embed_tokens.weight, "
          + "although config.json says tie_word_embeddings")
    }
  }

  /// All violations, with the tensors that nobody took.
  func finish() -> [String] {
    let ungathered = empty.first.map {
      "\($0): found shape [0], as in \(empty.count) tensors: they were saved without being gathered (DeepSpeed ZeRO-3; "
        + "set stage3_gather_16bit_weights_on_model_save and save again, or run zero_to_fp32.py in the checkpoint)"
    }
    return [ungathered].compactMap(\.self) + violations
      + available.sorted { $0.key < $1.key }.filter { !$0.key.hasSuffix(".rotary_emb.inv_freq") }.map {
        "\($0.key): not part of this architecture (shape \($0.value.shape))"
      }
  }
}
