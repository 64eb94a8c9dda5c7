import AdapterFormat
import Foundation
import TinaRuntime

/// PiSSA's beginning: each pair begins as the strongest components of its base matrix, B₀ · A₀.
///
/// PEFT takes those components out of the base. Here the base stays as it is, and the pair has a second, frozen half
/// that takes them out: ΔW = scale · (B · A − B₀ · A₀). That is a plain pair of twice the rank, which PEFT's conversion
/// of such an adapter makes too.
enum PrincipalBeginning {
  /// Sets the matrices of all pairs.
  ///
  /// - Parameter model: the base, in F32, F16 or BF16.
  static func write(to parameters: LoRAParameters, of model: Model) {
    let pairs = parameters.pairs
    // Each worker holds a matrix in double precision.
    let workers = min(4, model.threads, pairs.count)
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      for index in stride(from: worker, to: pairs.count, by: workers) {
        write(pairs[index], to: parameters.values, of: model)
      }
    }
  }

  private static func write(_ pair: TrainedPair, to values: FloatMemory, of model: Model) {
    let (half, rank) = (pair.module.frozenRank, pair.rank)
    let matrix = model.weights.layers[pair.layer][pair.projection]
    // W `[out, in]` row after row is its transpose column after column: u belongs to the inputs.
    let transposed = ColumnMatrix(
      rows: pair.input, columns: pair.output, values: matrix.floats().map { Double($0) })
    let svd = LowRankAlgebra.strongest(transposed, count: half)
    let (a, b) = unsafe (values.pointer + pair.a, values.pointer + pair.b)
    for c in 0..<half {
      let root = (svd.sigma[c] / Double(pair.scale)).squareRoot()
      for j in 0..<pair.input {
        let value = Float(svd.u[j, c] * root)
        unsafe a[c * pair.input + j] = value
        unsafe a[(half + c) * pair.input + j] = value
      }
      for i in 0..<pair.output {
        let value = Float(svd.v[i, c] * root)
        unsafe b[i * rank + c] = value
        unsafe b[i * rank + half + c] = -value
      }
    }
  }
}

extension LoRAParameters {
  /// Makes a gradient zero where numbers are frozen. AdamW then leaves them as they are, bit for bit.
  func clearFrozen(in gradient: FloatMemory) {
    for pair in pairs where pair.module.frozenRank > 0 {
      let (frozen, trained) = (pair.module.frozenRank, pair.module.trainedRank)
      unsafe (gradient.pointer + pair.a + trained * pair.input).update(
        repeating: 0, count: frozen * pair.input)
      for row in 0..<pair.output {
        unsafe (gradient.pointer + pair.b + row * pair.rank + trained).update(repeating: 0, count: frozen)
      }
    }
  }
}
