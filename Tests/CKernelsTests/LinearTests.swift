import CKernels
import Foundation
import TestSupport
import Testing

/// The order of summation as ckernels.h states it, written plainly.
func orderedDot(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Float {
  var lanes = [Float](repeating: 0, count: 8)
  let count = a.count
  for group in stride(from: 0, to: count, by: 8) {
    for lane in 0..<8 {
      let i = group + lane
      let x = i < count ? a[a.startIndex + i] : 0
      let y = i < count ? b[b.startIndex + i] : 0
      lanes[lane] = fmaf(x, y, lanes[lane])
    }
  }
  let s = (0..<4).map { lanes[$0] + lanes[$0 + 4] }
  let t = (0..<2).map { s[$0] + s[$0 + 2] }
  return t[0] + t[1]
}

/// Weights stored as `type`, and the float32 values that they stand for.
struct Stored {
  let type: tk_type
  let bytes: [UInt8]
  let values: [Float]

  init(_ source: [Float], _ type: tk_type) {
    self.type = type
    let size = type == TK_F32 ? 4 : 2
    var bytes = [UInt8](repeating: 0, count: source.count * size)
    var values = [Float](repeating: 0, count: source.count)
    unsafe bytes.withUnsafeMutableBytes { raw in
      guard let base = raw.baseAddress else { return }
      unsafe tk_from_f32(source, base, type, source.count)
      unsafe tk_to_f32(base, type, &values, source.count)
    }
    self.bytes = bytes
    self.values = values
  }
}

func linear(
  _ pool: OpaquePointer, _ weights: Stored, rows: Int, columns: Int, x: [Float], n: Int, bias: [Float]? = nil,
  onto y: [Float]? = nil
) -> [Float] {
  var result = y ?? [Float](repeating: .nan, count: n * rows)
  unsafe weights.bytes.withUnsafeBytes { raw in
    unsafe x.withUnsafeBufferPointer { input in
      unsafe result.withUnsafeMutableBufferPointer { output in
        guard let w = raw.baseAddress, let xBase = input.baseAddress, let yBase = output.baseAddress else {
          return
        }
        func run(_ bias: UnsafePointer<Float>?) {
          var map = unsafe tk_linear_args(
            weights: w, type: weights.type, rows: rows, columns: columns, bias: bias, x: xBase,
            x_stride: columns, n: n, y: yBase, y_stride: rows, add: y != nil,
            terms: nil, term_count: 0, activations: TK_ACTIVATIONS_F32)
          unsafe tk_linear(pool, &map, 1)
        }
        if let bias {
          unsafe bias.withUnsafeBufferPointer { unsafe run($0.baseAddress) }
        } else {
          run(nil)
        }
      }
    }
  }
  return result
}

func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

/// Tests that choose the process's path of instructions take turns.
@Suite(.serialized) struct KernelTests {
  @Suite struct LinearTests {
    static let types = [TK_F32, TK_F16, TK_BF16].map(\.rawValue)

    @Test(arguments: types)
    func everySizeFollowsTheStatedOrder(type: UInt32) throws {
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(7)
      for columns in Array(1...67) + [96, 512, 520, 1536, 1543] {
        let rows = 1 + columns % 19
        let weights = Stored(noise.floats(rows * columns), tk_type(type))
        let bias = noise.floats(rows)
        for n in [1, 2, 3, 4, 5, 7, 8, 13, 17, 64, 130] where n < 20 || columns % 31 == 0 {
          let x = noise.floats(n * columns)
          let y = unsafe linear(pool, weights, rows: rows, columns: columns, x: x, n: n, bias: bias)
          var expected: [Float] = []
          for i in 0..<n {
            for row in 0..<rows {
              let dot = orderedDot(
                weights.values[row * columns..<(row + 1) * columns], x[i * columns..<(i + 1) * columns])
              expected.append(dot + bias[row])
            }
          }
          #expect(bits(y) == bits(expected), "\(rows) × \(columns), \(n) inputs")
        }
      }
    }

    @Test(arguments: types)
    func aRowOfABatchEqualsTheRowAloneForAnyThreads(type: UInt32) throws {
      var noise = SeededGenerator(11)
      let (rows, columns, n) = (203, 777, 21)
      let weights = Stored(noise.floats(rows * columns), tk_type(type))
      let x = noise.floats(n * columns)
      var reference: [UInt32]?
      for threads in 1...4 {
        let pool = unsafe try #require(tk_pool_create(threads))
        defer { unsafe tk_pool_destroy(pool) }
        let together = unsafe linear(pool, weights, rows: rows, columns: columns, x: x, n: n)
        for i in 0..<n {
          let alone = unsafe linear(
            pool, weights, rows: rows, columns: columns, x: Array(x[i * columns..<(i + 1) * columns]), n: 1)
          #expect(bits(alone) == bits(Array(together[i * rows..<(i + 1) * rows])), "row \(i)")
        }
        #expect(reference == nil || reference == bits(together), "\(threads) threads")
        reference = bits(together)
      }
    }

    @Test func addPutsTheResultOntoWhatIsThere() throws {
      let pool = unsafe try #require(tk_pool_create(1))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(3)
      let weights = Stored(noise.floats(6 * 10), TK_BF16)
      let x = noise.floats(30)
      let before = noise.floats(18)
      let plain = unsafe linear(pool, weights, rows: 6, columns: 10, x: x, n: 3)
      let added = unsafe linear(pool, weights, rows: 6, columns: 10, x: x, n: 3, onto: before)
      #expect(bits(added) == bits(zip(before, plain).map { $0 + $1 }))
    }

    @Test(arguments: types)
    func everyPathGivesTheSameBits(type: UInt32) throws {
      let pool = unsafe try #require(tk_pool_create(2))
      defer { unsafe tk_pool_destroy(pool) }
      var noise = SeededGenerator(5)
      for (rows, columns, n) in [(5, 9, 1), (37, 129, 3), (64, 1030, 9), (12, 64, 70), (72, 1536, 31)] {
        let weights = Stored(noise.floats(rows * columns), tk_type(type))
        let x = noise.floats(n * columns)
        var portable: [UInt32]?
        onEveryPath { path in
          let y = bits(unsafe linear(pool, weights, rows: rows, columns: columns, x: x, n: n))
          #expect(portable == nil || y == portable, "\(path)")
          portable = y
        }
      }
    }
  }
}
