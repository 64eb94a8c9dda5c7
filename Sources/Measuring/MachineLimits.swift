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

  /// The mean of two measurements.
  init(_ one: MachineLimits, _ other: MachineLimits) {
    readRate = (one.readRate + other.readRate) / 2
    operationRate = (one.operationRate + other.operationRate) / 2
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
    var operations = 0.0
    unsafe model.withThreads { threads in
      for _ in 0..<max(rounds, 1) {
        let began = clock.now
        unsafe _ = tk_limits_read(threads, buffer, bytes)
        let between = clock.now
        let count = unsafe tk_limits_fma(threads, 4000)
        let ended = clock.now
        read = max(read, Double(bytes) / (between - began).inSeconds)
        operations = max(operations, count / (ended - between).inSeconds)
      }
    }
    readRate = read
    operationRate = operations
  }
}
