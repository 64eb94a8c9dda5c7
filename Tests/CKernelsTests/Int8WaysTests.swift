import CKernels
import Foundation
import TestSupport
import Testing

extension KernelTests {
  /// The kernels of block-quantised weights: those for few inputs, and rows turned into panels.
  @Suite struct Int8WaysTests {
    /// 10,000 maps of any type, size and bytes. Scales are zero, tiny, infinite or NaN now and then. Codes and inputs
    /// lie at the ends of their ranges. Fourteen inputs together take panels; one to eight what a path has for few.
    @Test func bothGiveTheSameBitsOnRandomMaps() throws {
      var noise = SeededGenerator(15)
      let pool = unsafe try #require(tk_pool_create(1))
      defer { unsafe tk_pool_destroy(pool) }
      let n = 14
      for index in 0..<10_000 {
        let type = tk_type(Blocks.types[index % Blocks.types.count])
        let random = noise.bytes(8).map(Int.init)
        let rows = random[0] % 8 == 0 ? 1 + random[1] % 70 : 1 + random[1] % 19
        let blocks = random[2] % 16 == 0 ? 320 + random[3] % 20 : 1 + random[3] % 19
        let columns = tk_block_elements(type) == 32 ? 32 * blocks : 256 * (1 + blocks / 8)
        var weights = noise.bytes(rows * tk_row_bytes(type, columns))
        Self.spoil(&weights, type, random[4], &noise)
        var x = noise.floats(n * columns)
        switch random[5] % 8 {
        case 0: for i in x.indices { x[i] = x[i] < 0 ? -1 : 1 }
        case 1: x[random[6] * 7 % x.count] = .nan
        case 2: for i in x.indices where i / 32 % 3 == 0 { x[i] = 0 }
        case 3: for i in x.indices { x[i] *= 1e-36 }
        default: break
        }
        let before = random[6] % 2 == 0 ? noise.floats(n * rows) : nil
        let turn = index / Blocks.types.count
        let count = 1 + turn % 8
        let first = random[7] % (n - count + 1)
        var expected: [UInt32]?
        onEveryPath { path in
          // The portable path is slow; it takes part in every eighth map.
          if path == "portable" && turn / 8 % 8 != turn % 8 { return }
          let together = patterns(
            unsafe multiply(
              pool, weights, type, rows: rows, columns: columns, x: x, n: n, onto: before))
          let few = patterns(
            unsafe multiply(
              pool, weights, type, rows: rows, columns: columns,
              x: Array(x[first * columns..<(first + count) * columns]), n: count,
              onto: before.map { Array($0[first * rows..<(first + count) * rows]) }))
          let place = Comment(rawValue: "\(path), map \(index): type \(type.rawValue), \(rows) × \(columns)")
          #expect(few[...] == together[first * rows..<(first + count) * rows], place)
          #expect(expected == nil || expected == together, place)
          expected = together
        }
      }
    }

    /// Scales of ordinary size, but for every third map: there some are anything.
    private static func spoil(
      _ weights: inout [UInt8], _ type: tk_type, _ kind: Int, _ noise: inout SeededGenerator
    ) {
      let odd: [UInt16] = [0, 0x8000, 1, 0x83ff, 0x7c00, 0xfc00, 0x7e01, 0x7bff]
      let fill = [UInt8(0x80), 0xff, 0x7f, 0][kind / 4 % 4]
      var count = 0
      for block in stride(from: 0, to: weights.count, by: tk_block_bytes(type)) {
        if kind % 4 == 0 { for i in block..<block + tk_block_bytes(type) { weights[i] = fill } }
        for place in Blocks.halves(type) {
          count += 1
          let isOdd = kind % 3 == 0 && count % 11 == kind % 11
          let bits = isOdd ? odd[count / 11 % 8] : Float16(0.001 + 0.01 * abs(noise.float())).bitPattern
          weights[block + place] = UInt8(bits & 255)
          weights[block + place + 1] = UInt8(bits >> 8)
        }
      }
    }
  }
}

/// Bits of floats. A NaN stands for all: which of two operands' NaNs an instruction hands on is its own affair.
private func patterns(_ x: [Float]) -> [UInt32] { x.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern } }
