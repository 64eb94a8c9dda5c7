import AdapterFormat
import CKernels
import ModelFiles
import TinaRuntime

/// The sum of what all adapters add to one module, Σ sⱼ · Bⱼ · Aⱼ, with the ranks stacked.
struct LowRankSum: Sendable {
  let module: String
  /// The pair of each adapter that has the module, its scale times that of the attachment.
  let terms: [LowRankPair]

  /// Ranks of all terms together.
  var rank: Int { terms.reduce(0) { $0 + $1.rank } }
  /// Number of inputs.
  var columns: Int { terms[0].inputCount }

  /// The sums of `adapters`, by module.
  static func all(_ adapters: [AttachedAdapter]) -> [String: LowRankSum] {
    var terms: [String: [LowRankPair]] = [:]
    for attached in adapters {
      for module in attached.adapter.modules {
        var pair = module.pair
        pair.scale *= attached.scale
        terms[module.name, default: []].append(pair)
      }
    }
    return Dictionary(uniqueKeysWithValues: terms.map { ($0, LowRankSum(module: $0, terms: $1)) })
  }

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
      for (i, row) in rows.enumerated() {
        unsafe target.withUnsafeMutableBufferPointer { target in
          let part = unsafe target.baseAddress! + i * rank + first
          unsafe tk_to_f32(b.baseAddress + row * width * size, b.elementType.kernel, part, width)
          unsafe tk_scale(part, scale, width)
        }
      }
      first += width
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
