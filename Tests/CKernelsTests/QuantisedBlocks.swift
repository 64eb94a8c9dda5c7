import CKernels
import TestSupport
import Foundation

/// A group of 16 or 32 neighbouring weights as the file's format defines them: (code × scale) − minimum.
struct Group {
  var codes: [Int32]
  var scale: Float
  var minimum: Float?
}

/// The formats taken apart a second time, value by value.
enum Blocks {
  static let types: [UInt32] = [
    TK_Q8_0, TK_Q4_0, TK_Q4_1, TK_Q5_0, TK_Q5_1, TK_Q4_K, TK_Q5_K, TK_Q6_K,
  ].map(\.rawValue)

  /// Where a block has numbers in half precision.
  static func halves(_ type: tk_type) -> [Int] {
    switch type {
    case TK_Q6_K: [208]
    case TK_Q4_1, TK_Q5_1, TK_Q4_K, TK_Q5_K: [0, 2]
    default: [0]
    }
  }

  static func half(_ bytes: ArraySlice<UInt8>, _ at: Int) -> Float {
    Float(
      Float16(
        bitPattern: UInt16(bytes[bytes.startIndex + at]) | UInt16(bytes[bytes.startIndex + at + 1]) << 8))
  }

  static func groups(_ block: ArraySlice<UInt8>, _ type: tk_type) -> [Group] {
    let byte = { (at: Int) in Int32(block[block.startIndex + at]) }
    let signed = { (at: Int) in Int32(Int8(bitPattern: block[block.startIndex + at])) }
    switch type {
    case TK_Q8_0: return [Group(codes: (0..<32).map { signed(2 + $0) }, scale: half(block, 0))]
    case TK_Q4_0:
      let codes = (0..<16).map { (byte(2 + $0) & 15) - 8 } + (0..<16).map { (byte(2 + $0) >> 4) - 8 }
      return [Group(codes: codes, scale: half(block, 0))]
    case TK_Q4_1, TK_Q5_0, TK_Q5_1:
      let isAffine = type != TK_Q5_0
      let high = isAffine ? 4 : 2
      let start = type == TK_Q4_1 ? high : high + 4
      let codes = (0..<32).map { i in
        var code = byte(start + i % 16) >> (i < 16 ? 0 : 4) & 15
        if type != TK_Q4_1 { code |= (byte(high + i / 8) >> Int32(i % 8) & 1) << 4 }
        return isAffine ? code : code - 16
      }
      return [Group(codes: codes, scale: half(block, 0), minimum: isAffine ? -half(block, 2) : nil)]
    case TK_Q4_K, TK_Q5_K:
      let start = type == TK_Q4_K ? 16 : 48
      return (0..<8).map { j in
        let scale = j < 4 ? byte(4 + j) & 63 : byte(8 + j) & 15 | (byte(j) >> 6) << 4
        let minimum = j < 4 ? byte(8 + j) & 63 : byte(8 + j) >> 4 | (byte(4 + j) >> 6) << 4
        let codes = (0..<32).map { i in
          let low = byte(start + j / 2 * 32 + i) >> (j % 2 == 0 ? 0 : 4) & 15
          return type == TK_Q4_K ? low : low | (byte(16 + i) >> Int32(j) & 1) << 4
        }
        return Group(
          codes: codes, scale: half(block, 0) * Float(scale), minimum: half(block, 2) * Float(minimum))
      }
    default:
      return (0..<16).map { g in
        let (h, j) = (g / 8, g % 8 / 2)
        let codes = (0..<16).map { i in
          let at = g % 2 * 16 + i
          let low = byte(64 * h + j % 2 * 32 + at) >> (j / 2 == 0 ? 0 : 4) & 15
          return (low | (byte(128 + 32 * h + at) >> Int32(2 * j) & 3) << 4) - 32
        }
        return Group(codes: codes, scale: half(block, 208) * Float(signed(192 + g)))
      }
    }
  }

  /// Rows of random blocks whose values are of ordinary size.
  static func random(_ type: tk_type, rows: Int, columns: Int, _ noise: inout SeededGenerator) -> [UInt8] {
    let size = tk_block_bytes(type)
    var bytes = noise.bytes(rows * tk_row_bytes(type, columns))
    for block in stride(from: 0, to: bytes.count, by: size) {
      for place in halves(type) {
        let bits = Float16(0.001 + 0.01 * abs(noise.float())).bitPattern
        bytes[block + place] = UInt8(bits & 255)
        bytes[block + place + 1] = UInt8(bits >> 8)
      }
    }
    return bytes
  }
}

/// 32 elements of an input as docs/reference/numerics.md says: codes, scale, and scale × the sum of the codes.
private func rounded(_ x: ArraySlice<Float>) -> (codes: [Int32], scale: Float, sum: Float) {
  guard x.allSatisfy(\.isFinite) else { return (Array(repeating: 0, count: 32), .nan, .nan) }
  let top = x.map(abs).max() ?? 0
  guard top >= 0x1p-100 else { return (Array(repeating: 0, count: 32), 0, 0) }
  let inverse = 127 / top
  let codes = x.map { Int32(($0 * inverse).rounded(.toNearestOrEven)) }
  return (codes, top / 127, top / 127 * Float(codes.reduce(0, +)))
}

/// The order of docs/reference/numerics.md, written plainly.
func plainDot(_ row: ArraySlice<UInt8>, _ type: tk_type, _ x: ArraySlice<Float>) -> Float {
  let size = tk_block_bytes(type)
  var sum: Float = 0
  var column = x.startIndex
  for start in stride(from: row.startIndex, to: row.endIndex, by: size) {
    let groups = Blocks.groups(row[start..<start + size], type)
    let perBlock = 32 / groups[0].codes.count
    for g in stride(from: 0, to: groups.count, by: perBlock) {
      let input = rounded(x[column..<column + 32])
      var at = 0
      for group in groups[g..<g + perBlock] {
        var dot: Int32 = 0
        for code in group.codes {
          dot += code * input.codes[at]
          at += 1
        }
        sum = fmaf(group.scale * Float(dot), input.scale, sum)
      }
      if let minimum = groups[g].minimum { sum = fmaf(-minimum, input.sum, sum) }
      column += 32
    }
  }
  return sum
}
