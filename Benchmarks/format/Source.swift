import AdapterFormat
import Foundation
import ModelFiles

/// Adapters to measure: real ones from safetensors files, and one of the shape that Tina trains.
enum Source {
  /// The low-rank pairs of a PEFT or MLX file, with a scale of 1: what is measured does not depend on it.
  static func pairs(path: String) throws -> AdapterArchive {
    let file = try SafetensorsFile(path: path)
    var entries: [AdapterEntry] = []
    for tensor in file.tensors {
      if tensor.name.hasSuffix(".lora_A.weight") {
        let path = String(tensor.name.dropLast(".lora_A.weight".count))
        guard let b = file[path + ".lora_B.weight"], tensor.shape.count == 2 else { continue }
        entries.append(entry(path, a: tensor, b: b))
      } else if tensor.name.hasSuffix(".lora_a") {
        let path = String(tensor.name.dropLast(".lora_a".count))
        guard let b = file[path + ".lora_b"] else { continue }
        entries.append(entry(path, a: transposed(tensor), b: transposed(b)))
      }
    }
    return AdapterArchive(entries: entries)
  }

  private static func entry(_ path: String, a: Tensor, b: Tensor) -> AdapterEntry {
    var name = path
    for prefix in ["base_model.model.", "model."] where name.hasPrefix(prefix) {
      name = String(name.dropFirst(prefix.count))
    }
    let pair = LowRankPair(a: a, b: b, scale: 1, scaleOrigin: .stated, alpha: nil)
    return AdapterEntry(module: name, path: path, content: .lowRank(pair))
  }

  private static func transposed(_ tensor: Tensor) -> Tensor {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    let values = tensor.floats()
    var out = [Float](repeating: 0, count: values.count)
    for i in 0..<rows { for j in 0..<columns { out[j * rows + i] = values[i * columns + j] } }
    return Tensor(name: tensor.name, shape: [columns, rows], floats: out)
  }

  /// The archive with every matrix rounded to BF16.
  static func bfloat16(_ archive: AdapterArchive) -> AdapterArchive {
    var archive = archive
    for i in archive.entries.indices {
      guard case .lowRank(var pair) = archive.entries[i].content else { continue }
      pair.a = rounded(pair.a)
      pair.b = rounded(pair.b)
      archive.entries[i].content = .lowRank(pair)
    }
    return archive
  }

  private static func rounded(_ tensor: Tensor) -> Tensor {
    var bytes: [UInt8] = []
    for value in tensor.floats() {
      let bits = (value.bitPattern &+ 0x7fff &+ (value.bitPattern >> 16 & 1)) >> 16
      bytes.append(UInt8(truncatingIfNeeded: bits))
      bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
    }
    return Tensor(
      name: tensor.name, elementType: .bf16, shape: tensor.shape, memory: OwnedBytes(bytes))
  }

  /// The projections of a layer of Qwen2-1.5B: name, outputs, inputs.
  private static let shapes = [
    ("self_attn.q_proj", 1536, 1536), ("self_attn.k_proj", 256, 1536), ("self_attn.v_proj", 256, 1536),
    ("self_attn.o_proj", 1536, 1536), ("mlp.gate_proj", 8960, 1536), ("mlp.up_proj", 8960, 1536),
    ("mlp.down_proj", 1536, 8960),
  ]

  private static func entry(_ module: String, _ a: [Float], _ b: [Float], _ input: Int, _ output: Int)
    -> AdapterEntry
  {
    let pair = LowRankPair(
      a: Tensor(name: module + ".a", shape: [32, input], floats: a),
      b: Tensor(name: module + ".b", shape: [output, 32], floats: b), scale: 4, scaleOrigin: .alphaOverRank,
      alpha: 128)
    return AdapterEntry(module: module, path: "model." + module, content: .lowRank(pair))
  }

  /// Twenty-eight layers of seven projections at rank 32, 36.9 million parameters: A near its seeded start, B small
  /// and of falling strength, as short runs leave them.
  static func tina() -> AdapterArchive {
    var entries: [AdapterEntry] = []
    for layer in 0..<28 {
      for (number, (name, output, input)) in shapes.enumerated() {
        let module = "layers.\(layer).\(name)"
        var noise = Noise(seed: UInt64(layer * 7 + number + 1))
        var a = SeededInitialization.a(seed: 42, module: module, rank: 32, input: input)
        var b = [Float](repeating: 0, count: output * 32)
        let strengths = (0..<32).map { 0.002 * exp(-Float($0) / 16) }
        for i in a.indices { a[i] += noise.next() * 1e-3 }
        for i in b.indices { b[i] += noise.next() * strengths[i % 32] }
        entries.append(entry(module, a, b, input, output))
      }
    }
    return AdapterArchive(entries: entries)
  }

  /// Checkpoints of a simulated run of one layer: AdamW at a learning rate of 1e-6 (warm-up over a tenth of the
  /// steps, then a cosine to a tenth), each parameter with a gradient of its own, a tenth as strong as its noise.
  static func checkpoints(count: Int, every interval: Int) -> [AdapterArchive] {
    let total = count * interval
    var archives = [[AdapterEntry]](repeating: [], count: count)
    for (number, (name, output, input)) in shapes.enumerated() {
      let module = "layers.0.\(name)"
      var noise = Noise(seed: UInt64(number + 1))
      let a = SeededInitialization.a(seed: 42, module: module, rank: 32, input: input)
      var weights = a + [Float](repeating: 0, count: output * 32)
      let signal = weights.map { _ in 0.1 * noise.next() }
      var first = [Float](repeating: 0, count: weights.count)
      var second = first
      for step in 1...total {
        let warm = min(1, Float(step) / (0.1 * Float(total)))
        let rate = 1e-6 * warm * (0.1 + 0.45 * (1 + cos(Float.pi * Float(step) / Float(total))))
        let (c1, c2) = (1 - pow(0.9, Float(step)), 1 - pow(0.999, Float(step)))
        for i in weights.indices {
          let gradient = signal[i] + noise.coarse()
          first[i] = 0.9 * first[i] + 0.1 * gradient
          second[i] = 0.999 * second[i] + 0.001 * gradient * gradient
          weights[i] -= rate * (first[i] / c1) / ((second[i] / c2).squareRoot() + 1e-8)
        }
        guard step % interval == 0 else { continue }
        archives[step / interval - 1].append(
          entry(module, Array(weights[..<a.count]), Array(weights[a.count...]), input, output))
      }
    }
    return archives.map { AdapterArchive(entries: $0) }
  }

  /// Normal numbers, the same every time.
  private struct Noise {
    var state: UInt64
    var spare: Float?
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

    private mutating func uniform() -> Float {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return (Float(state >> 40) + 0.5) * 0x1p-24
    }

    /// Of variance 1, uniform: enough for a gradient's noise.
    mutating func coarse() -> Float { (uniform() - 0.5) * 3.4641016 }

    mutating func next() -> Float {
      if let value = spare {
        spare = nil
        return value
      }
      let radius = (-2 * log(uniform())).squareRoot()
      let angle = 2 * Float.pi * uniform()
      spare = radius * sin(angle)
      return radius * cos(angle)
    }
  }
}

extension AdapterArchive {
  /// Bytes of all tensors as they are.
  var rawByteCount: Int {
    entries.reduce(0) { $0 + $1.tensors.reduce(0) { $0 + $1.byteRange.count } }
  }
}
