import CKernels
import ModelFiles

/// How the numbers of a tensor are stored: plainly, or in blocks.
enum StoredType: Sendable, Equatable {
  case plain(ElementType)
  case blocks(GGUFTensorType)

  /// A GGUF type, as plain elements where it is that.
  init(_ type: GGUFTensorType) { self = type.elementType.map { .plain($0) } ?? .blocks(type) }

  /// The type's usual name.
  var name: String {
    switch self {
    case .plain(let type): type.rawValue
    case .blocks(let type): type.name
    }
  }

  /// Bytes of so many elements, a whole number of blocks.
  func byteCount(_ elements: Int) -> Int {
    switch self {
    case .plain(let type): elements * type.byteSize
    case .blocks(let type): elements / type.block.elements * type.block.bytes
    }
  }

  var isPlain: Bool { if case .plain = self { true } else { false } }

  /// The kernels' name; nil for a type that is not computed on.
  var kernel: tk_type? {
    switch self {
    case .plain(.f32): TK_F32
    case .plain(.f16): TK_F16
    case .plain(.bf16): TK_BF16
    case .blocks(.q4_0): TK_Q4_0
    case .blocks(.q5_0): TK_Q5_0
    case .blocks(.q5_1): TK_Q5_1
    case .blocks(.q8_0): TK_Q8_0
    case .blocks(.q4_K): TK_Q4_K
    case .blocks(.q5_K): TK_Q5_K
    case .blocks(.q6_K): TK_Q6_K
    default: nil
    }
  }
}

/// A tensor of the base, plain or in blocks.
enum StoredWeight: Sendable {
  case plain(Tensor)
  case blocks(GGUFTensor, name: String)

  /// Its name in the checkpoint.
  var name: String {
    switch self {
    case .plain(let tensor): tensor.name
    case .blocks(_, let name): name
    }
  }

  var shape: [Int] {
    switch self {
    case .plain(let tensor): tensor.shape
    case .blocks(let tensor, _): tensor.shape
    }
  }

  var type: StoredType {
    switch self {
    case .plain(let tensor): .plain(tensor.elementType)
    case .blocks(let tensor, _): .blocks(tensor.type)
    }
  }

  var columns: Int { shape.last ?? 1 }
  var elementCount: Int { shape.contains(0) ? 0 : shape.reduce(1, *) }
  var rows: Int { columns == 0 ? 0 : elementCount / columns }
  var byteCount: Int { type.byteCount(elementCount) }

  /// Address of the first byte; valid as long as the weight lives.
  @unsafe var baseAddress: UnsafeRawPointer {
    switch self {
    case .plain(let tensor): unsafe tensor.baseAddress
    case .blocks(let tensor, _): unsafe tensor.baseAddress
    }
  }

  /// Every weight of a model under the names of the checkpoint, none twice.
  static func all(_ weights: WeightFiles) -> [StoredWeight] {
    weights.tensors.values.map { .plain($0) } + weights.blocks.map { .blocks($1, name: $0) }
  }
}
