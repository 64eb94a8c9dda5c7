import ModelFiles

/// Differences between words and predicted words, in byte planes (spec §8.1).
///
/// A difference is counted in steps of the last place, so its size depends on the exponent alone. The planes order the
/// elements by the exponent of the predicted word: zstd sees stretches of one distribution each, instead of a mixture.
///
/// Takes two passes over a block's tensors in their order: first ``count(_:)``, then
/// ``split(_:predicted:into:stride:)`` or ``join(_:predicted:into:)``.
struct Prediction {
  private let type: ElementType
  private let shift: Int
  private let mask: Int
  /// The next place of each exponent; until the first word is placed, the number of words with that exponent.
  private var places = [Int](repeating: 0, count: 256)
  private var isPlaced = false

  /// - Parameter type: F32, F16 or BF16.
  init(_ type: ElementType) {
    precondition(type.readsAsFloats)
    self.type = type
    (shift, mask) = type == .f32 ? (23, 0xff) : type == .bf16 ? (7, 0xff) : (10, 0x1f)
  }

  /// Counts a tensor's predicted words.
  mutating func count(_ predicted: UnsafeRawBufferPointer) {
    if type.byteSize == 4 {
      unsafe count(predicted, UInt32.self)
    } else {
      unsafe count(predicted, UInt16.self)
    }
  }

  /// Where the stretches of the exponents begin.
  ///
  /// Valid once all tensors are counted, until the first is placed.
  var stretches: [Int] {
    var starts: [Int] = []
    var sum = 0
    for count in places where count > 0 {
      starts.append(sum)
      sum += count
    }
    return starts
  }

  /// Puts a tensor's differences into planes.
  ///
  /// - Parameters:
  ///   - planes: the first plane; each next plane is `stride` bytes further.
  mutating func split(
    _ words: UnsafeRawBufferPointer, predicted: UnsafeRawBufferPointer,
    into planes: UnsafeMutablePointer<UInt8>, stride: Int
  ) {
    place()
    if type.byteSize == 4 {
      unsafe split(words, predicted, planes, stride, UInt32.self)
    } else {
      unsafe split(words, predicted, planes, stride, UInt16.self)
    }
  }

  /// Takes a tensor's words from planes.
  mutating func join(
    _ planes: [UnsafePointer<UInt8>], predicted: UnsafeRawBufferPointer, into words: UnsafeMutableRawPointer
  ) {
    place()
    if type.byteSize == 4 {
      unsafe join(planes, predicted, words, UInt32.self)
    } else {
      unsafe join(planes, predicted, words, UInt16.self)
    }
  }

  /// Turns the counts into places, once.
  private mutating func place() {
    guard !isPlaced else { return }
    isPlaced = true
    var sum = 0
    for exponent in places.indices {
      (places[exponent], sum) = (sum, sum + places[exponent])
    }
  }

  private func word<Word: FixedWidthInteger>(
    _ bytes: UnsafeRawBufferPointer, _ i: Int, _: Word.Type
  ) -> Word {
    unsafe Word(
      littleEndian: bytes.loadUnaligned(fromByteOffset: i * MemoryLayout<Word>.size, as: Word.self))
  }

  private mutating func count<Word: FixedWidthInteger & UnsignedInteger>(
    _ predicted: UnsafeRawBufferPointer, _: Word.Type
  ) {
    for i in 0..<predicted.count / MemoryLayout<Word>.size {
      places[Int(unsafe word(predicted, i, Word.self)) >> shift & mask] += 1
    }
  }

  private mutating func split<Word: FixedWidthInteger & UnsignedInteger>(
    _ words: UnsafeRawBufferPointer, _ predicted: UnsafeRawBufferPointer,
    _ planes: UnsafeMutablePointer<UInt8>, _ stride: Int, _: Word.Type
  ) {
    precondition(predicted.count == words.count)
    for i in 0..<words.count / MemoryLayout<Word>.size {
      let p = unsafe word(predicted, i, Word.self)
      let x = unsafe word(words, i, Word.self)
      let y = Planes.zigzag(Planes.ordered(x) &- Planes.ordered(p))
      let place = places[Int(p) >> shift & mask]
      places[Int(p) >> shift & mask] = place + 1
      for j in 0..<MemoryLayout<Word>.size {
        unsafe planes[j * stride + place] = UInt8(truncatingIfNeeded: y >> (8 * j))
      }
    }
  }

  private mutating func join<Word: FixedWidthInteger & UnsignedInteger>(
    _ planes: [UnsafePointer<UInt8>], _ predicted: UnsafeRawBufferPointer, _ words: UnsafeMutableRawPointer,
    _: Word.Type
  ) {
    for i in 0..<predicted.count / MemoryLayout<Word>.size {
      let p = unsafe word(predicted, i, Word.self)
      let place = places[Int(p) >> shift & mask]
      places[Int(p) >> shift & mask] = place + 1
      var y: Word = 0
      for j in 0..<MemoryLayout<Word>.size {
        y |= unsafe Word(planes[j][place]) << (8 * j)
      }
      let x = Planes.unordered(Planes.ordered(p) &+ Planes.unzigzag(y))
      unsafe words.storeBytes(of: x.littleEndian, toByteOffset: i * MemoryLayout<Word>.size, as: Word.self)
    }
  }
}
