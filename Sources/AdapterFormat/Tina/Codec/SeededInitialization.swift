import ModelFiles
import Support

/// The initial A that a seed gives: uniform on (−1/√in, 1/√in), each number a function of seed, module and
/// position alone (spec §8.3).
///
/// A run that begins with it can store its A as differences from it, which are small early in training.
public enum SeededInitialization {
  /// A as single-precision floats, `[rank, input]` in row-major order.
  ///
  /// - Parameters:
  ///   - seed: the run's seed.
  ///   - module: the module's name: `layers.3.self_attn.q_proj`.
  ///   - rank: rows.
  ///   - input: columns.
  public static func a(seed: UInt64, module: String, rank: Int, input: Int) -> [Float] {
    unsafe [Float](unsafeUninitializedCapacity: rank * input) { buffer, initialized in
      unsafe fill(buffer, seed: seed, module: module, input: input)
      initialized = rank * input
    }
  }

  /// Writes A to memory, `[rank, input]` in row-major order.
  @unsafe package static func fill(
    _ out: UnsafeMutableBufferPointer<Float>, seed: UInt64, module: String, input: Int
  ) {
    let hash = Digest.twoWords(of: module)
    let bound = Float(1 / Double(input).squareRoot())
    let key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    for start in stride(from: 0, to: out.count, by: 4) {
      let number = UInt64(start / 4)
      let block = Philox.block(
        counter: (
          UInt32(truncatingIfNeeded: number), UInt32(truncatingIfNeeded: number >> 32), hash.0, hash.1
        ),
        key: key)
      put(block.0, at: start)
      put(block.1, at: start + 1)
      put(block.2, at: start + 2)
      put(block.3, at: start + 3)
    }
    func put(_ word: UInt32, at index: Int) {
      if index < out.count { unsafe out[index] = (Float(word >> 8) * 0x1p-23 - 1) * bound }
    }
  }

  /// A as a tensor of F32, F16 or BF16.
  static func tensor(seed: UInt64, module: String, shape: [Int], type: ElementType) -> Tensor {
    let values = a(seed: seed, module: module, rank: shape[0], input: shape[1])
    return Tensor(name: "", shape: shape, floats: values).converted(to: type)
  }
}
