/// The nearest half-precision float, ties to even; beyond the range an infinity. A NaN stays one.
public func float16Bits(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  let sign = UInt16(bits >> 16) & 0x8000
  let magnitude = bits & 0x7fff_ffff
  if magnitude > 0x7f80_0000 { return sign | 0x7e00 | UInt16(magnitude >> 13 & 0x3ff) }
  if magnitude >= 0x4780_0000 { return sign | 0x7c00 }
  if magnitude < 0x3880_0000 {
    // Subnormal: the value in units of 2⁻²⁴, rounded by the addition itself.
    let units = Float(bitPattern: magnitude) + 0.5
    return sign | UInt16(truncatingIfNeeded: units.bitPattern &- 0x3f00_0000)
  }
  let rounded = magnitude + 0xfff + (magnitude >> 13 & 1)
  return sign | UInt16(truncatingIfNeeded: (rounded - 0x3800_0000) >> 13)
}

/// The nearest bfloat16, ties to even. A NaN stays one.
public func bfloat16Bits(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  if bits & 0x7fff_ffff > 0x7f80_0000 { return UInt16(bits >> 16) | 0x40 }
  return UInt16((UInt64(bits) + 0x7fff + UInt64(bits >> 16 & 1)) >> 16)
}

extension Tensor {
  /// The same numbers in another element type, each rounded once to nearest even; the tensor itself if it has
  /// the type.
  ///
  /// - Precondition: both types are F32, F16 or BF16.
  public func converted(to type: ElementType) -> Tensor {
    if type == elementType { return self }
    let values = floats()
    if type == .f32 { return Tensor(name: name, shape: shape, floats: values) }
    precondition(type == .f16 || type == .bf16, "converted(to:) of type \(type.rawValue)")
    let memory = unsafe OwnedBytes(
      byteCount: 2 * values.count,
      unsafelyFilledBy: { target in
        for (i, value) in values.enumerated() {
          let bits = type == .f16 ? float16Bits(value) : bfloat16Bits(value)
          unsafe target.storeBytes(of: bits.littleEndian, toByteOffset: 2 * i, as: UInt16.self)
        }
      })
    return Tensor(name: name, elementType: type, shape: shape, memory: memory)
  }

  /// The matrix with rows and columns exchanged, bits untouched.
  ///
  /// - Precondition: two dimensions, elements of whole bytes.
  public func transposed() -> Tensor {
    precondition(shape.count == 2 && elementType.bitSize.isMultiple(of: 8))
    let (rows, columns) = (shape[0], shape[1])
    return rearranged(shape: [columns, rows]) { $0 / rows + $0 % rows * columns }
  }

  /// A matrix's rows in another order: row i of the result is row `source(i)`.
  ///
  /// - Precondition: two dimensions, elements of whole bytes, every source within the rows.
  public func reorderingRows(_ source: (Int) -> Int) -> Tensor {
    precondition(shape.count == 2 && elementType.bitSize.isMultiple(of: 8))
    let columns = shape[1]
    return rearranged(shape: shape) { source($0 / max(columns, 1)) * columns + $0 % max(columns, 1) }
  }

  private func rearranged(shape: [Int], _ source: (Int) -> Int) -> Tensor {
    switch elementType.byteSize {
    case 1: rearranged(UInt8.self, shape, source)
    case 2: rearranged(UInt16.self, shape, source)
    case 4: rearranged(UInt32.self, shape, source)
    default: rearranged(UInt64.self, shape, source)
    }
  }

  private func rearranged<Word: FixedWidthInteger & BitwiseCopyable>(
    _ word: Word.Type, _ shape: [Int], _ source: (Int) -> Int
  ) -> Tensor {
    let width = MemoryLayout<Word>.size
    let count = elementCount
    let bytes = unsafe UnsafeRawBufferPointer(start: baseAddress, count: byteRange.count)
    let memory = unsafe OwnedBytes(
      byteCount: byteRange.count,
      unsafelyFilledBy: { target in
        for i in 0..<count {
          let index = source(i)
          precondition(index >= 0 && index < count)
          let value = unsafe bytes.loadUnaligned(fromByteOffset: width * index, as: Word.self)
          unsafe target.storeBytes(of: value, toByteOffset: width * i, as: Word.self)
        }
      })
    return Tensor(name: name, elementType: elementType, shape: shape, memory: memory)
  }
}
