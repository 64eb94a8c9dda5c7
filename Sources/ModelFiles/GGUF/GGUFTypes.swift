/// How a GGUF file stores the elements of a tensor; the numbers are the file's.
public enum GGUFTensorType: UInt32, Sendable, CaseIterable {
  /// Single precision.
  case f32 = 0
  /// Half precision.
  case f16 = 1
  /// Four bits and a scale a block.
  case q4_0 = 2
  /// Four bits, a scale and a minimum a block.
  case q4_1 = 3
  /// Five bits and a scale a block.
  case q5_0 = 6
  /// Five bits, a scale and a minimum a block.
  case q5_1 = 7
  /// Eight bits and a scale a block.
  case q8_0 = 8
  /// Eight bits, a scale and a sum a block.
  case q8_1 = 9
  /// K-quants of two bits.
  case q2_K = 10
  /// K-quants of three bits.
  case q3_K = 11
  /// K-quants of four bits.
  case q4_K = 12
  /// K-quants of five bits.
  case q5_K = 13
  /// K-quants of six bits.
  case q6_K = 14
  /// K-quants of eight bits.
  case q8_K = 15
  /// Codebooks, 2.06 bits a weight.
  case iq2_XXS = 16
  /// Codebooks, 2.31 bits a weight.
  case iq2_XS = 17
  /// Codebooks, 3.06 bits a weight.
  case iq3_XXS = 18
  /// Codebooks, 1.56 bits a weight.
  case iq1_S = 19
  /// Four bits, not linear.
  case iq4_NL = 20
  /// Codebooks, 3.44 bits a weight.
  case iq3_S = 21
  /// Codebooks, 2.56 bits a weight.
  case iq2_S = 22
  /// Four bits, not linear, 4.25 bits a weight.
  case iq4_XS = 23
  /// Signed 8-bit integers.
  case i8 = 24
  /// Signed 16-bit integers.
  case i16 = 25
  /// Signed 32-bit integers.
  case i32 = 26
  /// Signed 64-bit integers.
  case i64 = 27
  /// Double precision.
  case f64 = 28
  /// Codebooks, 1.75 bits a weight.
  case iq1_M = 29
  /// The upper half of single precision.
  case bf16 = 30
  /// Ternary, 1.69 bits a weight.
  case tq1_0 = 34
  /// Ternary, 2.06 bits a weight.
  case tq2_0 = 35
  /// Four-bit floats with a shared exponent.
  case mxfp4 = 39

  /// Elements and bytes of a block; every row is a whole number of blocks.
  public var block: (elements: Int, bytes: Int) {
    switch self {
    case .f32, .i32: (1, 4)
    case .f16, .bf16, .i16: (1, 2)
    case .i8: (1, 1)
    case .i64, .f64: (1, 8)
    case .q4_0, .iq4_NL: (32, 18)
    case .q4_1: (32, 20)
    case .q5_0: (32, 22)
    case .q5_1: (32, 24)
    case .q8_0: (32, 34)
    case .q8_1: (32, 40)
    case .mxfp4: (32, 17)
    case .q2_K: (256, 84)
    case .q3_K, .iq3_S: (256, 110)
    case .q4_K: (256, 144)
    case .q5_K: (256, 176)
    case .q6_K: (256, 210)
    case .q8_K: (256, 292)
    case .iq2_XXS: (256, 66)
    case .iq2_XS: (256, 74)
    case .iq3_XXS: (256, 98)
    case .iq1_S: (256, 50)
    case .iq2_S: (256, 82)
    case .iq4_XS: (256, 136)
    case .iq1_M: (256, 56)
    case .tq1_0: (256, 54)
    case .tq2_0: (256, 66)
    }
  }

  /// The same type under safetensors' name; nil for block types.
  public var elementType: ElementType? {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .f64: .f64
    case .i8: .i8
    case .i16: .i16
    case .i32: .i32
    case .i64: .i64
    default: nil
    }
  }

  /// The type of plain elements, or nil if GGUF has none.
  public init?(_ elementType: ElementType) {
    guard let type = GGUFTensorType.allCases.first(where: { $0.elementType == elementType }) else {
      return nil
    }
    self = type
  }

  /// The type as llama.cpp writes it: `Q4_K`.
  public var name: String { "\(self)".uppercased() }
}

/// A value of a GGUF file's metadata.
public enum GGUFValue: Sendable, Equatable {
  /// Unsigned 8-bit integer.
  case uint8(UInt8)
  /// Signed 8-bit integer.
  case int8(Int8)
  /// Unsigned 16-bit integer.
  case uint16(UInt16)
  /// Signed 16-bit integer.
  case int16(Int16)
  /// Unsigned 32-bit integer.
  case uint32(UInt32)
  /// Signed 32-bit integer.
  case int32(Int32)
  /// Single precision.
  case float32(Float)
  /// A truth value.
  case bool(Bool)
  /// A string's bytes; UTF-8 unless its writer was careless.
  case string([UInt8])
  /// Values of one kind.
  case array(Kind, [GGUFValue])
  /// Unsigned 64-bit integer.
  case uint64(UInt64)
  /// Signed 64-bit integer.
  case int64(Int64)
  /// Double precision.
  case float64(Double)

  /// The kinds of value; the numbers are the file's.
  public enum Kind: UInt32, Sendable {
    /// See `GGUFValue`.
    case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

    /// The least number of bytes that a value takes in a file.
    var minimumByteCount: Int {
      switch self {
      case .uint8, .int8, .bool: 1
      case .uint16, .int16: 2
      case .uint32, .int32, .float32: 4
      case .uint64, .int64, .float64, .string: 8
      case .array: 12
      }
    }
  }

  /// The value's kind.
  public var kind: Kind {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .float32: .float32
    case .bool: .bool
    case .string: .string
    case .array: .array
    case .uint64: .uint64
    case .int64: .int64
    case .float64: .float64
    }
  }

  /// A string.
  public static func text(_ text: String) -> GGUFValue { .string(Array(text.utf8)) }

  /// The string, or nil if it is none or not UTF-8.
  public var text: String? {
    guard case .string(let bytes) = self, firstInvalidUTF8(bytes) == nil else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The whole number, of whatever width, or nil.
  public var integer: Int? {
    switch self {
    case .uint8(let value): Int(value)
    case .int8(let value): Int(value)
    case .uint16(let value): Int(value)
    case .int16(let value): Int(value)
    case .uint32(let value): Int(value)
    case .int32(let value): Int(value)
    case .uint64(let value): Int(exactly: value)
    case .int64(let value): Int(value)
    default: nil
    }
  }

  /// The float, of either width, or nil.
  public var float: Double? {
    switch self {
    case .float32(let value): Double(value)
    case .float64(let value): value
    default: nil
    }
  }

  /// The elements, or nil if it is no array.
  public var array: [GGUFValue]? { if case .array(_, let values) = self { values } else { nil } }

  /// The value as a short text for messages.
  public var summary: String {
    switch self {
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: "\(integer ?? 0)"
    case .float32(let value): "\(value)"
    case .float64(let value): "\(value)"
    case .bool(let flag): flag ? "true" : "false"
    case .string(let bytes): quoted(String(decoding: bytes, as: UTF8.self))
    case .array(let kind, let values): "an array of \(values.count) \(kind) values"
    }
  }
}

/// A tensor of a GGUF file.
public struct GGUFTensor: Sendable {
  /// Name in the file.
  public let name: String
  /// How the elements are stored.
  public let type: GGUFTensorType
  /// Sizes from the slowest to the fastest dimension: the reverse of ggml's `ne`.
  public let shape: [Int]
  /// What holds its bytes.
  public let storage: ByteStorage
  /// Where in the storage.
  public let byteRange: Range<Int>

  /// Makes a tensor of bytes.
  ///
  /// - Precondition: the range lies in the storage and its length is that of the blocks.
  public init(
    name: String, type: GGUFTensorType, shape: [Int], storage: ByteStorage, byteRange: Range<Int>
  ) {
    precondition(byteRange.lowerBound >= 0 && byteRange.upperBound <= storage.byteCount)
    precondition(GGUFTensor.byteCount(type, shape) == byteRange.count)
    self.name = name
    self.type = type
    self.shape = shape
    self.storage = storage
    self.byteRange = byteRange
  }

  /// A tensor of plain elements under another name; nil if GGUF has no such type.
  public init?(_ tensor: Tensor, name: String) {
    guard let type = GGUFTensorType(tensor.elementType) else { return nil }
    self.init(
      name: name, type: type, shape: tensor.shape, storage: tensor.storage, byteRange: tensor.byteRange)
  }

  /// The tensor when its elements are plain numbers, else nil.
  public var plain: Tensor? {
    type.elementType.map {
      Tensor(name: name, elementType: $0, shape: shape, storage: storage, byteRange: byteRange)
    }
  }

  /// Address of the first byte; valid as long as ``storage`` lives.
  @unsafe public var baseAddress: UnsafeRawPointer { unsafe storage.baseAddress + byteRange.lowerBound }

  /// Bytes of a tensor; nil if a row is no whole number of blocks or the size overflows.
  static func byteCount(_ type: GGUFTensorType, _ shape: [Int]) -> Int? {
    let (elements, bytes) = type.block
    guard (shape.last ?? 1).isMultiple(of: elements) else { return nil }
    if shape.contains(0) { return 0 }
    var count = bytes
    var overflow = false
    for (i, size) in shape.enumerated() where !overflow {
      (count, overflow) = count.multipliedReportingOverflow(by: i + 1 == shape.count ? size / elements : size)
    }
    return overflow ? nil : count
  }
}
