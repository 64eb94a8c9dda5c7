import CKernels
import ModelFiles

/// Float32 memory of a fixed size, aligned for vectors.
///
/// Tensors read it in place, and through them the sampler does. It changes only in the optimiser's step, while nobody
/// samples.
@safe final class FloatMemory: @unchecked Sendable {
  nonisolated(unsafe) let pointer: UnsafeMutablePointer<Float>
  let count: Int
  let bytes: OwnedBytes

  /// `count` floats, all zero.
  init(_ count: Int) {
    self.count = count
    var start: UnsafeMutableRawPointer?
    bytes = unsafe OwnedBytes(
      byteCount: max(count, 16) * 4,
      unsafelyFilledBy: { (target: UnsafeMutableRawBufferPointer) in
        unsafe start = target.baseAddress
        unsafe target.initializeMemory(as: UInt8.self, repeating: 0)
      })
    guard let start = unsafe start else { preconditionFailure("memory has an address") }
    unsafe pointer = start.bindMemory(to: Float.self, capacity: max(count, 16))
  }

  /// A matrix in place, from float `offset` on.
  func tensor(_ name: String, _ shape: [Int], at offset: Int) -> Tensor {
    Tensor(
      name: name, elementType: .f32, shape: shape, storage: .memory(bytes),
      byteRange: 4 * offset..<4 * (offset + shape[0] * shape[1]))
  }

  func clear() { unsafe pointer.update(repeating: 0, count: count) }

  func isFinite(_ range: Range<Int>) -> Bool {
    for i in range where unsafe !pointer[i].isFinite { return false }
    return true
  }

  /// The Euclidean norm, summed in double precision and a fixed order.
  var norm: Double { unsafe tk_square_sum(pointer, count).squareRoot() }
}
