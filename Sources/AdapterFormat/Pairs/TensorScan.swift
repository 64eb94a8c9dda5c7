import ModelFiles

extension Tensor {
  /// Whether every element is zero, of either sign. For F32, F16 and BF16.
  var isZero: Bool {
    switch elementType {
    case .f32: isZero(mask: UInt32(0x7fff_ffff))
    default: isZero(mask: UInt16(0x7fff))
    }
  }

  /// Index of the first infinity or NaN, or nil. For F32, F16 and BF16.
  var firstNonFinite: Int? {
    switch elementType {
    case .f32: firstIndex(exponent: UInt32(0x7f80_0000))
    case .f16: firstIndex(exponent: UInt16(0x7c00))
    default: firstIndex(exponent: UInt16(0x7f80))
    }
  }

  private func isZero<Bits: FixedWidthInteger & BitwiseCopyable>(mask: Bits) -> Bool {
    let source = unsafe UnsafeRawBufferPointer(start: baseAddress, count: byteRange.count)
    let width = MemoryLayout<Bits>.size
    for i in 0..<elementCount {
      let bits = unsafe Bits(littleEndian: source.loadUnaligned(fromByteOffset: width * i, as: Bits.self))
      if bits & mask != 0 { return false }
    }
    return true
  }

  private func firstIndex<Bits: FixedWidthInteger & BitwiseCopyable>(exponent: Bits) -> Int? {
    let source = unsafe UnsafeRawBufferPointer(start: baseAddress, count: byteRange.count)
    let width = MemoryLayout<Bits>.size
    let count = elementCount
    // The inner loop has no exit, so that the compiler can use vectors.
    var begin = 0
    while begin < count {
      let end = min(begin + 4096, count)
      var isBad: Bits = 0
      for i in begin..<end {
        let bits = unsafe Bits(
          littleEndian: source.loadUnaligned(fromByteOffset: width * i, as: Bits.self))
        isBad |= bits & exponent == exponent ? 1 : 0
      }
      if isBad != 0 {
        for i in begin..<end {
          let bits = unsafe Bits(
            littleEndian: source.loadUnaligned(fromByteOffset: width * i, as: Bits.self))
          if bits & exponent == exponent { return i }
        }
      }
      begin = end
    }
    return nil
  }
}
