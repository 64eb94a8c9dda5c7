import Foundation
import ModelFiles

@testable import AdapterFormat

/// A base of Qwen2-1.5B's shape whose weights are drawn when they are asked for.
struct SimulatedBase: BaseCandidate {
  /// What was done to the weights before they were rounded.
  enum Change {
    case none
    /// Gaussian noise of this size relative to each matrix; vectors stay.
    case noise(Double)
    /// The same on the matrices of one kind only.
    case noiseIn(kind: String, Double)
    /// The same on matrices and vectors.
    case training(Double)
  }

  /// How the weights are held.
  enum Held {
    case float(SampledElement)
    /// Matrices quantised, vectors in F32.
    case blocks(Quantiser, searches: Bool = false)
  }

  var seed: UInt64
  /// What the original was published in; the candidate is made from it.
  var original = SampledElement.bf16
  var held = Held.float(.bf16)
  var change = Change.none
  /// Whether matrices are drawn evenly from an interval, as they are before training.
  var isUniform = false
  var layers = 28
  var path: String { "simulated" }
  let architecture = "qwen2"
  let dimensions = [
    "hidden": 1536, "intermediate": 8960, "heads": 12, "kv_heads": 2, "head_dim": 128, "layers": 28,
    "vocab": 151_936,
  ]

  var tensors: [BaseTensor] {
    var all: [(String, [Int])] = [
      ("embed_tokens.weight", [151_936, 1536]), ("lm_head.weight", [151_936, 1536]), ("norm.weight", [1536]),
    ]
    for layer in 0..<layers {
      let prefix = "layers.\(layer)."
      all += [
        (prefix + "input_layernorm.weight", [1536]), (prefix + "post_attention_layernorm.weight", [1536]),
        (prefix + "self_attn.q_proj.weight", [1536, 1536]), (prefix + "self_attn.q_proj.bias", [1536]),
        (prefix + "self_attn.k_proj.weight", [256, 1536]), (prefix + "self_attn.k_proj.bias", [256]),
        (prefix + "self_attn.v_proj.weight", [256, 1536]), (prefix + "self_attn.v_proj.bias", [256]),
        (prefix + "self_attn.o_proj.weight", [1536, 1536]), (prefix + "mlp.gate_proj.weight", [8960, 1536]),
        (prefix + "mlp.up_proj.weight", [8960, 1536]), (prefix + "mlp.down_proj.weight", [1536, 8960]),
      ]
    }
    return all.map { BaseTensor(name: $0.0, shape: $0.1, elementType: elementType($0.1)) }
  }

  func tensor(_ name: String) -> BaseTensor? { Self.index[name].map { describe($0) } }

  private static let index = Dictionary(
    uniqueKeysWithValues: SimulatedBase(seed: 0).tensors.map { ($0.name, $0) })

  private func describe(_ tensor: BaseTensor) -> BaseTensor {
    BaseTensor(name: tensor.name, shape: tensor.shape, elementType: elementType(tensor.shape))
  }

  private func elementType(_ shape: [Int]) -> ElementType {
    switch held {
    case .float(let element): element.type
    case .blocks(let quantiser, _): shape.count > 1 ? quantiser.elementType : .f32
    }
  }

  func digest(threads: Int?) throws(AdapterError) -> [UInt8] { [UInt8](repeating: 7, count: 32) }

  func values(of tensor: BaseTensor, row: Int, columns: Range<Int>) -> BaseValues {
    let isMatrix = tensor.shape.count > 1
    if case .blocks(let quantiser, let searches) = held, isMatrix {
      let start = columns.lowerBound / quantiser.blockSize * quantiser.blockSize
      let block = numbers(tensor, row, start..<(start + quantiser.blockSize))
      let all = quantiser.apply(block, searches: searches)
      let part = (columns.lowerBound - start)..<(columns.upperBound - start)
      return BaseValues(Array(all.values[part]), widths: Array(all.widths[part]))
    }
    let type = if case .float(let element) = held { element } else { SampledElement.f32 }
    return BaseValues(numbers(tensor, row, columns).map { rounded($0, type) })
  }

  /// The numbers before they are rounded to what the candidate holds, drawn in groups of 32.
  private func numbers(_ tensor: BaseTensor, _ row: Int, _ columns: Range<Int>) -> [Float] {
    let isMatrix = tensor.shape.count > 1
    var name: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in tensor.name.utf8 { name = (name ^ UInt64(byte)) &* 0x100_0000_01b3 }
    var whole = Draw(seed, name)
    // Matrices of 0.015 to 0.05, rows and columns of unequal size, some columns far larger, heavy tails.
    let size = 0.015 * exp(1.2 * whole.uniform())
    var ofRow = Draw(seed, name, 1, UInt64(row))
    let rowSize = exp(0.2 * ofRow.normal())
    var out: [Float] = []
    for group in stride(from: columns.lowerBound, to: columns.upperBound, by: 32) {
      var draw = Draw(seed, name, 2, UInt64(row), UInt64(group))
      var other = Draw(seed &+ 0x5555_5555, name, 3, UInt64(row), UInt64(group))
      for column in group..<(group + 32) {
        var ofColumn = Draw(seed, name, 4, UInt64(column))
        var x: Double
        if isMatrix, isUniform {
          x = size * (2 * draw.uniform() - 1)
        } else if isMatrix {
          let isLarge = ofColumn.uniform() < 0.005
          x = size * rowSize * exp(0.2 * ofColumn.normal()) * (isLarge ? 5 : 1) * draw.normal()
          if draw.uniform() < 0.02 { x *= 3 }
        } else if tensor.name.hasSuffix("bias") {
          x = draw.normal() * (draw.uniform() < 0.05 ? 30 : 0.5)
        } else {
          x = exp(0.3 * draw.normal())
        }
        var value = rounded(Float(x), original)
        let noise = other.normal()
        switch change {
        case .none: break
        case .noise(let relative): if isMatrix { value += Float(relative * size * noise) }
        case .noiseIn(let kind, let relative):
          if BaseSketch.kind(of: tensor.name) == kind { value += Float(relative * size * noise) }
        case .training(let relative):
          value = rounded(value + Float(relative * (isMatrix ? size : abs(x)) * noise), original)
        }
        out.append(value)
      }
    }
    return out
  }
}

/// Numbers that depend on a key alone (SplitMix64).
private struct Draw {
  private var state: UInt64

  init(_ key: UInt64...) {
    state = 0
    for part in key { state = Self.mix((state &+ 0x9e37_79b9_7f4a_7c15) ^ part &* 0xff51_afd7_ed55_8ccd) }
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func uniform() -> Double {
    state &+= 0x9e37_79b9_7f4a_7c15
    return Double(Self.mix(state) >> 11) * 0x1p-53
  }

  mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return radius * cos(2 * .pi * uniform())
  }
}
