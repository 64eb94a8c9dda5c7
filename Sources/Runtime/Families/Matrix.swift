package import CKernels
package import ModelFiles

extension ElementType {
  /// The kernels' name for this element, nil for those that no kernel computes on.
  var kernelType: tk_type? {
    switch self {
    case .f32: TK_F32
    case .f16: TK_F16
    case .bf16: TK_BF16
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

extension GGUFTensorType {
  /// The kernels' name for these blocks, nil for those that no kernel computes on.
  var kernelType: tk_type? {
    switch self {
    case .q4_0: TK_Q4_0
    case .q8_0: TK_Q8_0
    case .q4_K: TK_Q4_K
    case .q5_K: TK_Q5_K
    case .q6_K: TK_Q6_K
    case .q5_0: TK_Q5_0
    case .q5_1: TK_Q5_1
    default: elementType?.kernelType
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
      preconditionFailure("\(tensor.name) is no matrix of f32, f16 or bf16")
    }
    self.init(tensor.storage, tensor.byteRange.lowerBound, tensor.shape, type, activations)
  }

  /// `tensor` must have two dimensions and a type that the kernels know.
  init(_ tensor: GGUFTensor, activations: ActivationType) {
    guard tensor.shape.count == 2, let type = tensor.type.kernelType else {
      preconditionFailure("\(tensor.name) is no matrix of blocks that are computed on")
    }
    self.init(tensor.storage, tensor.byteRange.lowerBound, tensor.shape, type, activations)
  }

  private init(
    _ storage: ByteStorage, _ offset: Int, _ shape: [Int], _ type: tk_type, _ activations: ActivationType
  ) {
    self.activations = activations
    self.storage = storage
    self.offset = offset
    self.type = type
    rows = shape[0]
    columns = shape[1]
  }

  /// Address of the first element; valid as long as the matrix lives.
  @unsafe package var baseAddress: UnsafeRawPointer { unsafe storage.baseAddress + offset }

  /// Bytes of a row.
  var rowByteCount: Int { tk_row_bytes(type, columns) }

  /// Widens whole rows to float32.
  @unsafe func widen(rows: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    unsafe tk_dequantise(
      baseAddress + rows.lowerBound * rowByteCount, type, target, rows.count * columns)
  }

  /// All elements, row after row.
  func floats() -> [Float] {
    unsafe [Float](unsafeUninitializedCapacity: rows * columns) { buffer, count in
      if let base = buffer.baseAddress { unsafe widen(rows: 0..<rows, into: base) }
      count = rows * columns
    }
  }
}

/// A small vector held in float32 for as long as the model lives (norm weights, biases).
@safe package final class Vector: Sendable {
  package nonisolated(unsafe) let pointer: UnsafeMutablePointer<Float>
  let count: Int

  init(_ values: [Float]) {
    count = values.count
    unsafe pointer = .allocate(capacity: max(values.count, 1))
    for (i, value) in values.enumerated() { unsafe pointer[i] = value }
  }

  deinit { unsafe pointer.deallocate() }
}
