package import CKernels
package import ModelFiles

extension ElementType {
  /// The kernels' name for this type, nil for those that no kernel computes on.
  package var kernelType: tk_type? {
    switch self {
    case .f32: TK_F32
    case .f16: TK_F16
    case .bf16: TK_BF16
    case .q4_0: TK_Q4_0
    case .q4_1: TK_Q4_1
    case .q5_0: TK_Q5_0
    case .q5_1: TK_Q5_1
    case .q8_0: TK_Q8_0
    case .q4_K: TK_Q4_K
    case .q5_K: TK_Q5_K
    case .q6_K: TK_Q6_K
    default: nil
    }
  }
}

extension ActivationType {
  var kernelType: tk_activations {
    switch self {
    case .int8: TK_ACTIVATIONS_INT8
    case .f32: TK_ACTIVATIONS_F32
    case .bf16: TK_ACTIVATIONS_BF16
    }
  }
}

/// A matrix `[rows, columns]` that stays in its mapped file and is computed on in place.
package struct Matrix: Sendable {
  private let storage: ByteStorage
  private let offset: Int
  package let rows: Int
  package let columns: Int
  package let type: tk_type
  /// What the weights meet.
  let activations: ActivationType

  /// `tensor` must have two dimensions and an element type that the kernels know.
  package init(_ tensor: Tensor, activations: ActivationType = .f32) {
    guard tensor.shape.count == 2, let type = tensor.elementType.kernelType else {
      preconditionFailure("\(tensor.name) is no matrix that kernels compute on")
    }
    self.activations = activations
    self.type = type
    storage = tensor.storage
    offset = tensor.byteRange.lowerBound
    rows = tensor.shape[0]
    columns = tensor.shape[1]
  }

  /// Address of the first element; valid as long as the matrix lives.
  @unsafe package var baseAddress: UnsafeRawPointer { unsafe storage.baseAddress + offset }

  /// The kind of kernel that multiplies rows with it.
  var kernelKind: Int { tk_linear_kind(type, activations.kernelType) }

  /// Bytes of a row.
  package var rowByteCount: Int { tk_row_bytes(type, columns) }

  /// Widens whole rows to float32.
  @unsafe func widen(rows: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    unsafe tk_dequantise(
      baseAddress + rows.lowerBound * rowByteCount, type, target, rows.count * columns)
  }

  /// All elements, row after row.
  package func floats() -> [Float] {
    unsafe [Float](unsafeUninitializedCapacity: rows * columns) { buffer, count in
      if let base = buffer.baseAddress { unsafe widen(rows: 0..<rows, into: base) }
      count = rows * columns
    }
  }
}

/// A small vector held in float32 for as long as the model lives (norm weights, biases).
@safe package final class Vector: Sendable {
  package nonisolated(unsafe) let pointer: UnsafeMutablePointer<Float>
  package let count: Int

  init(_ values: [Float]) {
    count = values.count
    unsafe pointer = .allocate(capacity: max(values.count, 1))
    for (i, value) in values.enumerated() { unsafe pointer[i] = value }
  }

  deinit { unsafe pointer.deallocate() }
}
