import AdapterFormat
import CKernels
import ModelFiles
import TinaRuntime

/// The sum of what all adapters add to one module, Σ sⱼ · Bⱼ · Aⱼ, with the ranks stacked.
struct LowRankSum: Sendable {
  let module: String
  /// The pair of each adapter that has the module, its scale times that of the attachment.
  var terms: [LowRankPair] = []
  /// DoRA's magnitude of each row; nil without.
  var magnitudes: [Float]?
  /// Where the output's row stands in the checkpoint, whose order the terms have; nil for the same place.
  var order: (@Sendable (Int) -> Int)?

  init(module: String) { self.module = module }

  /// Ranks of all terms together.
  var rank: Int { terms.reduce(0) { $0 + $1.rank } }
  /// Number of inputs.
  var columns: Int { terms[0].inputCount }

  /// All Aⱼ in the kernel's packed form.
  func packedA() -> [Float] {
    let (rank, columns) = (rank, columns)
    return unsafe [Float](unsafeUninitializedCapacity: tk_merge_packed_floats(rank, columns)) {
      buffer, count in
      var first = 0
      for i in terms.indices {
        let a = terms[i].a
        unsafe tk_merge_pack(
          a.baseAddress, a.elementType.kernel, a.shape[0], columns, rank, first, buffer.baseAddress!)
        first += a.shape[0]
      }
      count = tk_merge_packed_floats(rank, columns)
    }
  }

  /// Rows of all sⱼ · Bⱼ side by side, `[rows, rank]`.
  func scaledB(_ rows: Range<Int>, into target: inout [Float]) {
    let rank = rank
    var first = 0
    for i in terms.indices {
      let (b, scale) = (terms[i].b, terms[i].scale)
      let width = b.shape[1]
      let size = b.elementType.byteSize
      for (i, place) in rows.enumerated() {
        let row = order?(place) ?? place
        unsafe target.withUnsafeMutableBufferPointer { target in
          let part = unsafe target.baseAddress! + i * rank + first
          unsafe tk_to_f32(b.baseAddress + row * width * size, b.elementType.kernel, part, width)
          unsafe tk_scale(part, scale, width)
        }
      }
      first += width
    }
  }

  /// Turns what the terms add to some rows, Δ, into what DoRA does to them: m · (W + Δ) / ‖W + Δ‖ − W.
  func scaleRows(_ rows: Range<Int>, weights: [Float], delta: inout [Float]) {
    guard let magnitudes else { return }
    let columns = columns
    for (i, place) in rows.enumerated() {
      let range = i * columns..<(i + 1) * columns
      let squares = range.reduce(0.0) { sum, at in
        let value = Double(weights[at] + delta[at])
        return sum + value * value
      }
      let magnitude = Double(magnitudes[order?(place) ?? place])
      let factor = squares == 0 ? 0 : Float(magnitude / squares.squareRoot())
      for at in range { delta[at] = factor * (weights[at] + delta[at]) - weights[at] }
    }
  }
}

extension ElementType {
  /// The kernels' name for a type that is computed on.
  var kernel: tk_type {
    guard let type = kernelType else { preconditionFailure("a type that is not computed on: \(rawValue)") }
    return type
  }
}
