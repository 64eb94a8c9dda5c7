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

  /// Twenty-eight layers of seven projections at rank 32, 36.9 million parameters: A near its seeded start, B small
  /// and of falling strength, as short runs leave them. `steps` drifts of a hundredth lie on top.
  static func tina(layers: Int = 28, steps: Int = 0, start: UInt64 = 42) -> AdapterArchive {
    let shapes = [
      ("self_attn.q_proj", 1536, 1536), ("self_attn.k_proj", 256, 1536), ("self_attn.v_proj", 256, 1536),
      ("self_attn.o_proj", 1536, 1536), ("mlp.gate_proj", 8960, 1536), ("mlp.up_proj", 8960, 1536),
      ("mlp.down_proj", 1536, 8960),
    ]
    var entries: [AdapterEntry] = []
    for layer in 0..<layers {
      for (number, (name, output, input)) in shapes.enumerated() {
        let module = "layers.\(layer).\(name)"
        var noise = Noise(seed: UInt64(layer * 7 + number + 1))
        var a = SeededInitialization.a(seed: start, module: module, rank: 32, input: input)
        var b = [Float](repeating: 0, count: output * 32)
        let strengths = (0..<32).map { 0.002 * exp(-Float($0) / 16) }
        for step in 0...steps {
          let size: Float = step == 0 ? 1 : 0.05 / Float(step)
          for i in a.indices { a[i] += noise.next() * 1e-3 * size }
          for i in b.indices { b[i] += noise.next() * strengths[i % 32] * size }
        }
        let pair = LowRankPair(
          a: Tensor(name: module + ".a", shape: [32, input], floats: a),
          b: Tensor(name: module + ".b", shape: [output, 32], floats: b), scale: 4,
          scaleOrigin: .alphaOverRank, alpha: 128)
        entries.append(AdapterEntry(module: module, path: "model." + module, content: .lowRank(pair)))
      }
    }
    return AdapterArchive(entries: entries)
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
