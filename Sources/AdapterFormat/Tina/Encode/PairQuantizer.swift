import COpenBLAS
import Foundation
import ModelFiles

/// Rounds a low-rank pair to integers within a stated error of ΔW, without forming ΔW (spec §8.2).
///
/// Components are scaled so that those of A and B have the same norm, the component's strength σ, and rounded with
/// one step for the whole module: the error of ΔW is then spread evenly, and weak components need few bits.
struct PairQuantizer {
  /// The integers, with their errors and their norm.
  struct Result: Sendable {
    var pair: IntegerPair
    /// Relative error when the first n layers are read.
    var errors: [Double]
    /// ‖ΔW‖ without the scale.
    var norm: Double
    /// Whether the first layer's integers need two bytes.
    var isWide: Bool
  }

  /// The largest magnitude of an integer with all layers.
  static let maximumMagnitude = 1 << 23

  let maxError: Double
  /// Bits of the refinement layers.
  let bits: [Int]

  /// Rounds a pair; nil if the bound is too small for the integers' range.
  ///
  /// - Parameters:
  ///   - source: the pair to round, within the bound.
  ///   - original: the pair before its rank was reduced, if the stated errors are relative to that.
  /// - Precondition: 2-dimensional finite tensors of F32, F16 or BF16.
  func quantize(_ source: LowRankPair, original: LowRankPair? = nil) -> Result? {
    var pair = source
    pair.scale = 1
    let a = LowRankAlgebra.tall(rowsOf: pair.a)
    let b = LowRankAlgebra.tall(columnsOf: pair.b)
    let target = Target(a: a, b: b)
    guard target.norm > 0 else { return zero(pair) }
    let raw = Scaled(a, b)
    // In the basis of singular vectors, weak components need few symbols; for short runs that gains nothing.
    let svd = LowRankAlgebra.decomposition(pair)
    var (u, v) = (
      ColumnMatrix(rows: b.rows, columns: pair.rank), ColumnMatrix(rows: a.rows, columns: pair.rank)
    )
    for (c, sigma) in svd.sigma.enumerated() {
      // A sign that makes the vector's sum positive, so that the same input gives the same file.
      let sign = svd.v.values[c * a.rows..<(c + 1) * a.rows].reduce(0, +) < 0 ? -1.0 : 1.0
      let root = sigma.squareRoot() * sign
      for i in 0..<b.rows { u[i, c] = svd.u[i, c] * root }
      for i in 0..<a.rows { v[i, c] = svd.v[i, c] * root }
    }
    let rotated = Scaled(v, u)
    // With the same step both have the same error, so the smaller one is taken.
    let step = firstStep(target)
    let isRotated = rotated.round(step).entropy < raw.round(step).entropy
    let reference = original.map {
      Target(a: LowRankAlgebra.tall(rowsOf: $0.a), b: LowRankAlgebra.tall(columnsOf: $0.b))
    }
    return fit(isRotated ? rotated : raw, to: target, reference: reference ?? target)
  }

  /// The step that meets the bound if rounding errors are uniformly random.
  private func firstStep(_ target: Target) -> Double {
    maxError * target.norm * (12 / Double(target.a.values.count + target.b.values.count)).squareRoot()
  }

  private func zero(_ pair: LowRankPair) -> Result {
    let integers = IntegerPair(
      rank: pair.rank, inputCount: pair.inputCount, outputCount: pair.outputCount,
      a: [Int32](repeating: 0, count: pair.rank * pair.inputCount),
      b: [Int32](repeating: 0, count: pair.rank * pair.outputCount),
      scales: [Float](repeating: 0, count: pair.rank))
    return Result(
      pair: integers, errors: [Double](repeating: 0, count: bits.count + 1), norm: 0, isWide: false)
  }

  /// The matrix to approximate, with its constant products.
  private struct Target {
    let a: ColumnMatrix
    let b: ColumnMatrix
    let square: Double

    init(a: ColumnMatrix, b: ColumnMatrix) {
      self.a = a
      self.b = b
      square = max(0, dot(gram(a, a), gram(b, b)))
    }

    var norm: Double { square.squareRoot() }

    func error(_ rounded: Rounded) -> Double {
      error(rounded.x, rounded.y(scaled: rounded.scales))
    }

    /// Relative distance to B' · A'.
    func error(_ a2: ColumnMatrix, _ b2: ColumnMatrix) -> Double {
      let difference = square + dot(gram(a2, a2), gram(b2, b2)) - 2 * dot(gram(a, a2), gram(b, b2))
      return (max(0, difference) / square).squareRoot()
    }
  }

  /// Finds the largest step that meets the bound.
  private func fit(_ scaled: Scaled, to target: Target, reference: Target) -> Result? {
    var step = firstStep(target)
    var best: (rounded: Rounded, error: Double)?
    for _ in 0..<24 {
      let rounded = scaled.round(step)
      let error = target.error(rounded)
      if error <= maxError, error > (best?.error ?? -1) { best = (rounded, error) }
      if error <= maxError && error >= 0.996 * maxError { break }
      if error == 0 {
        step *= 2
      } else {
        step *= min(2, max(0.25, 0.9985 * maxError / error))
      }
    }
    guard let best, best.rounded.largest < Double(Self.maximumMagnitude) else { return nil }
    return finish(narrowed(best.rounded, best.error, target), reference)
  }

  /// Clips the few integers beyond one byte in the first layer, if that adds almost no error.
  private func narrowed(_ rounded: Rounded, _ error: Double, _ target: Target) -> Rounded {
    let total = bits.reduce(0, +)
    // Coarsening rounds halves up, so the upper limit is half a step lower.
    let limit = Double(128 << total) - Double(1 << total) / 2 - 1
    guard rounded.largest > limit else { return rounded }
    let cut = rounded.clamped(to: limit)
    return target.error(cut) <= min(maxError, 1.004 * error) ? cut : rounded
  }

  private func finish(_ rounded: Rounded, _ target: Target) -> Result? {
    var errors: [Double] = []
    var base = rounded
    // From the finest layer down, each drops the bits of the layer after it.
    var scale = 1.0
    errors.append(target.error(base.x, base.y(scaled: base.scales)))
    for k in bits.reversed() {
      base = base.coarser(by: k)
      scale *= Double(1 << k)
      errors.insert(target.error(base.x.scaled(scale), base.y(scaled: base.scales.map { $0 * scale })), at: 0)
    }
    guard base.largest <= 32767 else { return nil }
    let pair = IntegerPair(
      rank: rounded.x.columns, inputCount: rounded.x.rows, outputCount: rounded.yIntegers.rows,
      a: rounded.x.values.map { Int32($0) }, b: rounded.yIntegers.values.map { Int32($0) },
      scales: rounded.scales.map { Float($0) })
    return Result(pair: pair, errors: errors, norm: target.norm, isWide: !base.fitsByte)
  }

  /// Factors whose components have the norm σ on both sides.
  private struct Scaled {
    var x: ColumnMatrix
    var y: ColumnMatrix
    var sigma: [Double]

    init(_ x: ColumnMatrix, _ y: ColumnMatrix) {
      (self.x, self.y) = (x, y)
      sigma = []
      for c in 0..<x.columns {
        let (nx, ny) = (x.norm(c), y.norm(c))
        sigma.append(nx * ny)
        self.x.scale(c, by: ny)
        self.y.scale(c, by: nx)
      }
    }

    func round(_ step: Double) -> Rounded {
      let scales = sigma.map { (sigma: Double) -> Double in
        // The format stores normal single-precision floats; weaker components vanish anyway.
        guard sigma > 0 else { return 0 }
        let g = Float(step * step / sigma)
        return g.isNormal ? Double(g) : 0
      }
      func rounded(_ matrix: ColumnMatrix) -> ColumnMatrix {
        var out = matrix
        for c in 0..<matrix.columns {
          let factor = scales[c] == 0 ? 0 : 1 / step
          for i in c * matrix.rows..<(c + 1) * matrix.rows {
            out.values[i] = (matrix.values[i] * factor).rounded(.toNearestOrEven)
          }
        }
        return out
      }
      return Rounded(x: rounded(x), yIntegers: rounded(y), scales: scales)
    }
  }

  /// Integers, as doubles for the products.
  private struct Rounded {
    var x: ColumnMatrix
    var yIntegers: ColumnMatrix
    var scales: [Double]

    func y(scaled scales: [Double]) -> ColumnMatrix {
      var out = yIntegers
      for c in 0..<out.columns { out.scale(c, by: scales[c]) }
      return out
    }

    var fitsByte: Bool {
      !x.values.contains { $0 > 127 || $0 < -128 } && !yIntegers.values.contains { $0 > 127 || $0 < -128 }
    }

    func clamped(to limit: Double) -> Rounded {
      var out = self
      for i in out.x.values.indices { out.x.values[i] = min(limit, max(-limit, x.values[i])) }
      for i in out.yIntegers.values.indices {
        out.yIntegers.values[i] = min(limit, max(-limit, yIntegers.values[i]))
      }
      return out
    }

    var largest: Double {
      max(x.values.reduce(0) { max($0, abs($1)) }, yIntegers.values.reduce(0) { max($0, abs($1)) })
    }

    func coarser(by bits: Int) -> Rounded {
      func coarser(_ matrix: ColumnMatrix) -> ColumnMatrix {
        let half = Double(1 << (bits - 1))
        let factor = 1 / Double(1 << bits)
        var out = matrix
        for i in out.values.indices { out.values[i] = ((matrix.values[i] + half) * factor).rounded(.down) }
        return out
      }
      return Rounded(x: coarser(x), yIntegers: coarser(yIntegers), scales: scales)
    }

    /// Estimated bits: the entropy of each row, and the size of its table.
    var entropy: Double { x.entropy + yIntegers.entropy }
  }
}

/// XᵀY.
private func gram(_ x: ColumnMatrix, _ y: ColumnMatrix) -> ColumnMatrix {
  LowRankAlgebra.product(x, y)
}

private func dot(_ a: ColumnMatrix, _ b: ColumnMatrix) -> Double {
  var sum = 0.0
  for i in a.values.indices { sum += a.values[i] * b.values[i] }
  return sum
}

extension ColumnMatrix {
  fileprivate func norm(_ column: Int) -> Double {
    var sum = 0.0
    for i in column * rows..<(column + 1) * rows { sum += values[i] * values[i] }
    return sum.squareRoot()
  }

  fileprivate mutating func scale(_ column: Int, by factor: Double) {
    for i in column * rows..<(column + 1) * rows { values[i] *= factor }
  }

  fileprivate func scaled(_ factor: Double) -> ColumnMatrix {
    var out = self
    for i in out.values.indices { out.values[i] *= factor }
    return out
  }

  /// Sum over the columns of the entropy of their (whole) numbers, in bits, with Miller's correction.
  fileprivate var entropy: Double {
    var total = 0.0
    var counts: [Int] = []
    for column in 0..<columns {
      let range = column * rows..<(column + 1) * rows
      var (low, high) = (0.0, 0.0)
      for i in range { (low, high) = (min(low, values[i]), max(high, values[i])) }
      guard high - low < 65536 else {
        total += Double(rows) * log2(high - low)
        continue
      }
      counts = [Int](repeating: 0, count: Int(high - low) + 1)
      for i in range { counts[Int(values[i] - low)] += 1 }
      var distinct = 0
      for count in counts where count > 0 {
        distinct += 1
        total -= Double(count) * log2(Double(count) / Double(rows))
      }
      total += Double(distinct - 1) / (2 * log(2))
    }
    return total
  }
}
