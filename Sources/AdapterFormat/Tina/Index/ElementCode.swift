import ModelFiles

// The numbers of the element types in a .tina file, spec §7.2.

private let elementCodes: [ElementType] = [
  .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz, .f4, .f6e2m3, .f6e3m2, .i16, .u16,
  .f16, .bf16, .i32, .u32, .f32, .c64, .f64, .i64, .u64,
]

extension ElementType {
  /// The type of a number in the file, or nil.
  init?(tinaCode: UInt8) {
    guard tinaCode >= 1, tinaCode <= elementCodes.count else { return nil }
    self = elementCodes[Int(tinaCode) - 1]
  }

  /// The number in the file.
  var tinaCode: UInt8 { UInt8((elementCodes.firstIndex(of: self) ?? -2) + 1) }

  /// Whether elements are packed, several to a byte.
  var isPacked: Bool { bitSize < 8 }

  /// How words change between predictor and byte planes.
  var planeTransform: PlaneTransform {
    switch self {
    case .f32, .f64, .bf16: .rotate
    case .i8, .i16, .i32, .i64: .zigzag
    default: .none
    }
  }
}
