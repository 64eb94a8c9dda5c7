import CKernels
import Dispatch
import ModelFiles
import Synchronization

extension LoRAPair {
  /// A in the form that the kernel of sums reads.
  private func packedA() -> [Float] {
    var packed = [Float](repeating: 0, count: tk_merge_packed_floats(a.rows, a.columns))
    unsafe tk_merge_pack(a.baseAddress, a.type, a.rows, a.columns, a.rows, 0, &packed)
    return packed
  }

  /// DoRA's factor of each output, m / ‖W + scale · B · A‖, the norm taken over the output's row in double precision.
  ///
  /// - Parameters:
  ///   - magnitudes: m.
  ///   - weight: W, of any type.
  func factors(_ magnitudes: [Float], of weight: Matrix) -> [Float] {
    let (columns, rank) = (weight.columns, a.rows)
    let packed = packedA()
    let group = max(6, (1 << 16) / columns / 6 * 6)
    let pieces = (weight.rows + group - 1) / group
    let results = Mutex([[Float]](repeating: [], count: pieces))
    DispatchQueue.concurrentPerform(iterations: pieces) { piece in
      let rows = piece * group..<min((piece + 1) * group, weight.rows)
      var values = [Float](repeating: 0, count: rows.count * columns)
      var delta = values
      var scaled = [Float](repeating: 0, count: rows.count * rank)
      unsafe weight.widen(rows: rows, into: &values)
      unsafe b.widen(rows: rows, into: &scaled)
      unsafe tk_scale(&scaled, scale, scaled.count)
      unsafe tk_merge_delta(scaled, packed, rows.count, rank, columns, &delta)
      let factors = rows.indices.map { row in
        let start = (row - rows.lowerBound) * columns
        var squares = 0.0
        for i in start..<start + columns {
          let sum = Double(values[i] + delta[i])
          squares += sum * sum
        }
        // An output that is zero stays so.
        if squares == 0, magnitudes[row] == 0 { return Float(0) }
        return Float(Double(magnitudes[row]) / squares.squareRoot())
      }
      results.withLock { $0[piece] = factors }
    }
    return results.withLock { $0.flatMap(\.self) }
  }
}
