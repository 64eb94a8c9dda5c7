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
  /// A string's bytes, usually UTF-8.
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
    guard case .string(let bytes) = self else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }

  /// The string, if it can be compared with words: ASCII, and short. Nil for any other: it is none of them.
  package var word: String? {
    guard case .string(let bytes) = self, bytes.count <= 256, bytes.allSatisfy({ $0 < 0x80 }) else {
      return nil
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The whole number of any width, or nil.
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
