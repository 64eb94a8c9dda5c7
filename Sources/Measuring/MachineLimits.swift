import CKernels
import Foundation
import Support
public import TinaRuntime

/// The most that all threads of a model can do on this machine.
public struct MachineLimits: Sendable {
  /// Bytes read from memory in a second.
  public let readRate: Double
  /// Float32 operations in a second, a fused multiply-add counted as two.
  public let operationRate: Double
  /// The same of bf16, for weights that meet activations rounded to it.
  public let bf16Rate: Double
  /// The same of bytes, for block-quantised weights.
  public let byteRate: Double

  /// The mean of two measurements.
  init(_ one: MachineLimits, _ other: MachineLimits) {
    readRate = (one.readRate + other.readRate) / 2
    operationRate = (one.operationRate + other.operationRate) / 2
    bf16Rate = (one.bf16Rate + other.bf16Rate) / 2
    byteRate = (one.byteRate + other.byteRate) / 2
  }

  /// Measures on the model's threads: the best of `rounds` reads of 256 MiB, and of as many runs of arithmetic.
  public init(_ model: Model, rounds: Int = 5) {
    let bytes = 256 << 20
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 2 << 20)
    defer { unsafe buffer.deallocate() }
    #if os(Linux)
      unsafe _ = madvise(buffer, bytes, Int32(MADV_HUGEPAGE))
    #endif
    unsafe buffer.initializeMemory(as: UInt8.self, repeating: 1, count: bytes)
    let clock = ContinuousClock()
    var read = 0.0
    var (operations, bf16, bytesComputed) = (0.0, 0.0, 0.0)
    unsafe model.withThreads { threads in
      for _ in 0..<max(rounds, 1) {
        var began = clock.now
        func rate(_ work: Double) -> Double {
          defer { began = clock.now }
          return work / (clock.now - began).inSeconds
        }
        unsafe _ = tk_limits_read(threads, buffer, bytes)
        read = max(read, rate(Double(bytes)))
        unsafe operations = max(operations, rate(tk_limits_fma(threads, 4000)))
        unsafe bf16 = max(bf16, rate(tk_limits_bf16(threads, 4000)))
        unsafe bytesComputed = max(bytesComputed, rate(tk_limits_bytes(threads, 4000)))
      }
    }
    readRate = read
    operationRate = operations
    bf16Rate = bf16
    byteRate = bytesComputed
  }
}
