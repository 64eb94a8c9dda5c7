import Foundation
import ModelFiles

/// Encodes integer pairs to a block and its refinements (spec §8.2).
struct PairEncoder {
  /// Bits of the refinement layers.
  let bits: [Int]
  let isPlain: Bool

  /// The block of the first layer, and one for each refinement layer.
  func encode(_ pairs: [IntegerPair], _ zstd: borrowing Zstandard.Encoder) -> [EncodedBlock] {
    let total = bits.reduce(0, +)
    let shapes = pairs.map { (rank: $0.rank, input: $0.inputCount, output: $0.outputCount) }
    // Tiers follow the size of the first layer's integers.
    let tiers = isPlain ? nil : Self.tiers(pairs, droppedBits: total)
    let rows = PairRows(shapes: shapes, tiers: tiers)
    var symbols: [Int32] = []
    symbols.reserveCapacity(rows.rows.reduce(0) { $0 + $1.length })
    var cuts: [Int] = []
    var tier: UInt8?
    for number in rows.order {
      if let tiers, tiers[number] != tier {
        tier = tiers[number]
        // A separate table pays off from some thousand symbols on.
        if symbols.count - (cuts.last ?? 0) >= 3000 { cuts.append(symbols.count) }
      }
      let row = rows.rows[number]
      let source = row.isA ? pairs[row.pair].a : pairs[row.pair].b
      symbols += source[row.component * row.length..<(row.component + 1) * row.length]
    }
    var refinements: [EncodedBlock] = []
    for k in bits.reversed() {
      refinements.insert(refine(&symbols, k, cuts, zstd), at: 0)
    }
    let scales = pairs.flatMap(\.scales)
    return [base(symbols, tiers, scales, cuts, zstd)] + refinements
  }

  /// Takes k bits off the symbols and packs them.
  private func refine(
    _ symbols: inout [Int32], _ k: Int, _ cuts: [Int], _ zstd: borrowing Zstandard.Encoder
  ) -> EncodedBlock {
    let half = Int32(1) << Int32(k - 1)
    var packed = [UInt8](repeating: 0, count: (symbols.count * k + 7) / 8)
    for i in symbols.indices {
      let q = symbols[i]
      let coarse = (q + half) >> Int32(k)
      let u = UInt32(bitPattern: q - coarse << Int32(k) + half)
      symbols[i] = coarse
      let bit = i * k
      let window = u << UInt32(bit & 7)
      packed[bit >> 3] |= UInt8(truncatingIfNeeded: window)
      if window > 0xff { packed[bit >> 3 + 1] |= UInt8(truncatingIfNeeded: window >> 8) }
    }
    var block = EncodedBlock(form: .refinement, elementType: nil, isPlain: true, predictor: .none)
    block.append(packed, isPlain ? nil : .entropy, cuts: cuts.map { $0 * k / 8 }, zstd)
    return block
  }

  private func base(
    _ symbols: [Int32], _ tiers: [UInt8]?, _ scales: [Float], _ cuts: [Int],
    _ zstd: borrowing Zstandard.Encoder
  ) -> EncodedBlock {
    let isWide = symbols.contains { $0 > 127 || $0 < -128 }
    var block = EncodedBlock(
      form: .pairs, elementType: isWide ? .i16 : .i8, isPlain: isPlain, predictor: .none)
    if isPlain {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(symbols.count * (isWide ? 2 : 1))
      for q in symbols {
        bytes.append(UInt8(truncatingIfNeeded: q))
        if isWide { bytes.append(UInt8(truncatingIfNeeded: q >> 8)) }
      }
      block.append(bytes, nil, zstd)
    } else {
      let words = symbols.map { Planes.zigzag(UInt16(truncatingIfNeeded: $0)) }
      block.append(words.map { UInt8(truncatingIfNeeded: $0) }, .entropy, cuts: cuts, zstd)
      if isWide { block.append(words.map { UInt8($0 >> 8) }, .search, zstd) }
      block.append(tiers ?? [], .search, zstd)
    }
    var bytes = ByteBuilder()
    for scale in scales { bytes.float(scale) }
    block.append(bytes.bytes, isPlain ? nil : .search, zstd)
    return block
  }

  /// Rows of like size and side share a tier, so that each tier's symbols have one distribution.
  static func tiers(_ pairs: [IntegerPair], droppedBits: Int) -> [UInt8] {
    var levels: [(isA: Bool, level: Double)] = []
    for pair in pairs {
      for (isA, values, length) in [(true, pair.a, pair.inputCount), (false, pair.b, pair.outputCount)] {
        for c in 0..<pair.rank {
          var sum = 0.0
          for i in c * length..<(c + 1) * length { sum += Double(values[i]) * Double(values[i]) }
          let size = (sum / Double(max(length, 1))).squareRoot() / Double(1 << droppedBits)
          levels.append((isA, log2(max(size, 0.0625))))
        }
      }
    }
    var step = 0.35
    while true {
      func key(_ level: (isA: Bool, level: Double)) -> Int {
        2 * Int((level.level / step).rounded(.down)) + (level.isA ? 1 : 0)
      }
      let keys = Set(levels.map(key)).sorted()
      if keys.count <= 16 {
        let number = Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1, UInt8($0)) })
        return levels.map { number[key($0)] ?? 0 }
      }
      step *= 1.25
    }
  }
}
