import Foundation
import ModelFiles

/// The weights of one block.
package struct Qwen2Layer: Sendable {
  package let inputNorm: Vector  // [hidden]
  package let postAttentionNorm: Vector  // [hidden]
  let projections: [Matrix]  // by Projection.rawValue, each [out, in]
  let biases: [Vector?]  // by Projection.rawValue, each [out]

  package subscript(projection: Projection) -> Matrix { projections[projection.rawValue] }
}

extension Tensor {
  /// Whether kernels compute on it: vectors are floats always.
  fileprivate var isComputable: Bool {
    elementType.readsAsFloats || (shape.count == 2 && elementType.kernelType != nil)
  }
}

/// A Qwen2 model's tensors, each found, of the right shape, and left in the mapped files.
package struct Qwen2Weights: Sendable {
  let embedding: Matrix  // [vocabulary, hidden]
  package let layers: [Qwen2Layer]
  package let finalNorm: Vector  // [hidden]
  package let head: Matrix  // [vocabulary, hidden]; the embedding itself when tied

  /// Takes every tensor that `config` calls for out of `weights`.
  ///
  /// - Throws: `RuntimeError.weightsMismatch` with every missing, misshapen, mistyped or extra tensor.
  init(_ directory: StoredModel, activations: ActivationType) throws(RuntimeError) {
    let config = directory.config
    var taker = TensorTaker(directory.weights)
    let embedding = taker.take("model.embed_tokens.weight", [config.vocabSize, config.hiddenSize])
    let norm = taker.take("model.norm.weight", [config.hiddenSize])
    var layers: [[Tensor?]] = []
    for layer in 0..<config.layerCount {
      let prefix = "model.layers.\(layer)."
      var tensors = [
        taker.take(prefix + "input_layernorm.weight", [config.hiddenSize]),
        taker.take(prefix + "post_attention_layernorm.weight", [config.hiddenSize]),
      ]
      for projection in Projection.allCases {
        let (out, input) = projection.shape(config)
        tensors.append(taker.take(prefix + projection.path + ".weight", [out, input]))
        if projection.hasBias { tensors.append(taker.take(prefix + projection.path + ".bias", [out])) }
      }
      layers.append(tensors)
      if taker.violations.count > 1000 { break }
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
    finalNorm = Vector(norm.floats())
    self.layers = layers.map { tensors in
      var rest = tensors.compactMap { $0 }[...]
      let inputNorm = Vector(rest.removeFirst().floats())
      let postNorm = Vector(rest.removeFirst().floats())
      var matrices: [Matrix] = []
      var biases: [Vector?] = []
      for projection in Projection.allCases {
        matrices.append(Matrix(rest.removeFirst(), activations: activations))
        biases.append(projection.hasBias ? Vector(rest.removeFirst().floats()) : nil)
      }
      return Qwen2Layer(
        inputNorm: inputNorm, postAttentionNorm: postNorm, projections: matrices, biases: biases)
    }
  }
}

/// Takes tensors by name and remembers everything that is wrong.
private struct TensorTaker {
  var available: [String: Tensor]
  var violations: [String] = []

  init(_ weights: WeightFiles) { available = weights.tensors }

  mutating func take(_ name: String, _ shape: [Int]) -> Tensor? {
    guard let tensor = available.removeValue(forKey: name) else {
      violations.append("\(name): missing, expected shape \(shape)")
      return nil
    }
    guard tensor.shape == shape else {
      violations.append("\(name): found shape \(tensor.shape), expected \(shape)")
      return nil
    }
    guard tensor.isComputable else {
      violations.append(
        "\(name): found element type \(tensor.elementType.rawValue), expected F32, F16 or BF16"
          + (shape.count == 2 ? ", or Q4_0, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K of a GGUF file" : ""))
      return nil
    }
    return tensor
  }

  /// Some exporters write the tied head a second time. The same bytes are no contradiction; others are.
  mutating func dropTiedHead(equalTo embedding: Tensor?) {
    guard let embedding, let head = available["lm_head.weight"] else { return }
    let same =
      head.shape == embedding.shape && head.elementType == embedding.elementType
      && sameBytes(head, embedding)
    if same {
      available["lm_head.weight"] = nil
    } else {
      violations.append(
        "lm_head.weight: present and different from model.embed_tokens.weight, "
          + "although config.json says tie_word_embeddings")
    }
  }

  /// What is wrong in all, with the tensors that nobody took.
  mutating func finish() -> [String] {
    for name in available.keys.sorted() where !name.hasSuffix(".rotary_emb.inv_freq") {
      let tensor = available[name]
      violations.append("\(name): not part of this architecture (shape \(tensor?.shape ?? []))")
    }
    return violations
  }
}

private func sameBytes(_ a: Tensor, _ b: Tensor) -> Bool {
  unsafe memcmp(a.baseAddress, b.baseAddress, a.byteRange.count) == 0
}
