/// The change to words before they are divided into byte planes.
enum PlaneTransform: Sendable {
  /// Nothing.
  case none
  /// Rotation to the left by one bit: the exponent fills the top byte, the sign is the lowest bit.
  case rotate
  /// Signed integers with the sign in the lowest bit, so that small ones have zero top bytes.
  case zigzag
}

/// Divides words of one width into byte planes, and joins them again.
///
/// The caller ensures the bounds: each plane has `count` bytes from `offset`, the words `count` times the width.
enum Planes {
  /// Divides `count` words into planes, from byte `offset` of each plane on.
  static func split<Word: FixedWidthInteger & UnsignedInteger>(
    _ words: UnsafeRawPointer, _ type: Word.Type, count: Int, transform: PlaneTransform,
    into planes: UnsafeMutablePointer<UInt8>, stride: Int, offset: Int
  ) {
    for i in 0..<count {
      var word = unsafe Word(
        littleEndian: words.loadUnaligned(fromByteOffset: i * MemoryLayout<Word>.size, as: Word.self))
      switch transform {
      case .none: break
      case .rotate: word = word << 1 | word >> (Word.bitWidth - 1)
      case .zigzag: word = zigzag(word)
      }
      for j in 0..<MemoryLayout<Word>.size {
        unsafe planes[j * stride + offset + i] = UInt8(truncatingIfNeeded: word >> (8 * j))
      }
    }
  }

  /// Joins planes to `count` words.
  static func join<Word: FixedWidthInteger & UnsignedInteger>(
    _ planes: [UnsafePointer<UInt8>], _ type: Word.Type, offset: Int, count: Int, transform: PlaneTransform,
    into words: UnsafeMutableRawPointer
  ) {
    switch (MemoryLayout<Word>.size, transform) {
    case (2, .rotate):
      let (low, high) = unsafe (planes[0] + offset, planes[1] + offset)
      for i in 0..<count {
        let word = unsafe UInt16(low[i]) | UInt16(high[i]) << 8
        unsafe words.storeBytes(
          of: (word >> 1 | word << 15).littleEndian, toByteOffset: 2 * i, as: UInt16.self)
      }
    case (4, .rotate):
      let (p0, p1) = unsafe (planes[0] + offset, planes[1] + offset)
      let (p2, p3) = unsafe (planes[2] + offset, planes[3] + offset)
      for i in 0..<count {
        let low = unsafe UInt32(p0[i]) | UInt32(p1[i]) << 8
        let word = unsafe low | UInt32(p2[i]) << 16 | UInt32(p3[i]) << 24
        unsafe words.storeBytes(
          of: (word >> 1 | word << 31).littleEndian, toByteOffset: 4 * i, as: UInt32.self)
      }
    default:
      for i in 0..<count {
        var word: Word = 0
        for j in 0..<MemoryLayout<Word>.size {
          word |= unsafe Word(planes[j][offset + i]) << (8 * j)
        }
        switch transform {
        case .none: break
        case .rotate: word = word >> 1 | word << (Word.bitWidth - 1)
        case .zigzag: word = unzigzag(word)
        }
        unsafe words.storeBytes(
          of: word.littleEndian, toByteOffset: i * MemoryLayout<Word>.size, as: Word.self)
      }
    }
  }

  /// 0, −1, 1, −2, … as 0, 1, 2, 3, …
  @inline(__always)
  static func zigzag<Word: FixedWidthInteger & UnsignedInteger>(_ word: Word) -> Word {
    word << 1 ^ (0 &- (word >> (Word.bitWidth - 1)))
  }

  /// The reverse of ``zigzag(_:)``.
  @inline(__always)
  static func unzigzag<Word: FixedWidthInteger & UnsignedInteger>(_ word: Word) -> Word {
    word >> 1 ^ (0 &- (word & 1))
  }

  /// Maps the words of floats so that they compare as the floats do.
  @inline(__always)
  static func ordered<Word: FixedWidthInteger & UnsignedInteger>(_ word: Word) -> Word {
    let top = Word(1) << (Word.bitWidth - 1)
    return word & top != 0 ? ~word : word | top
  }

  /// The reverse of ``ordered(_:)``.
  @inline(__always)
  static func unordered<Word: FixedWidthInteger & UnsignedInteger>(_ word: Word) -> Word {
    let top = Word(1) << (Word.bitWidth - 1)
    return word & top != 0 ? word & ~top : ~word
  }
}
