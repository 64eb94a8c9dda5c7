/// A named array of numbers inside a mapped file; nothing is copied.
public struct Tensor: Sendable {
  /// Name in the file.
  public let name: String
  /// How each element is stored, little-endian.
  public let elementType: ElementType
  /// Sizes from the slowest to the fastest dimension; `[]` for a single number.
  public let shape: [Int]
  /// The file that holds it.
  public let file: MappedFile
  /// Where in the file, in bytes from its beginning. Files made by careless writers do not align it.
  public let byteRange: Range<Int>

  /// Makes a view of a part of a file.
  ///
  /// - Precondition: the range lies in the file and its length is that of the elements.
  public init(name: String, elementType: ElementType, shape: [Int], file: MappedFile, byteRange: Range<Int>) {
    precondition(byteRange.lowerBound >= 0 && byteRange.upperBound <= file.byteCount)
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.file = file
    self.byteRange = byteRange
    precondition(elementCount * elementType.bitSize == byteRange.count * 8)
  }

  /// Number of elements, the product of ``shape``.
  public var elementCount: Int { shape.contains(0) ? 0 : shape.reduce(1, *) }

  /// The tensor's bytes.
  public var bytes: RawSpan {
    @_lifetime(borrow self) get {
      let span = unsafe RawSpan(_unsafeStart: baseAddress, byteCount: byteRange.count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Address of the first element; valid as long as ``file`` lives.
  @unsafe public var baseAddress: UnsafeRawPointer { unsafe file.baseAddress + byteRange.lowerBound }

  /// Whether the first element lies at a multiple of its own size, as typed pointers need it.
  public var isAligned: Bool { unsafe Int(bitPattern: baseAddress) % elementType.byteSize == 0 }

  /// All elements as single-precision floats in storage order; every value is converted exactly.
  ///
  /// - Precondition: the type is F32, F16 or BF16.
  public func floats() -> [Float] {
    let count = elementCount
    let source = unsafe UnsafeRawBufferPointer(start: baseAddress, count: byteRange.count)
    return unsafe [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      switch elementType {
      case .f32:
        for i in 0..<count {
          let bits = unsafe source.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self)
          unsafe buffer.initializeElement(at: i, to: Float(bitPattern: UInt32(littleEndian: bits)))
        }
      case .f16:
        for i in 0..<count {
          let bits = unsafe source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)
          unsafe buffer.initializeElement(at: i, to: float(float16: UInt16(littleEndian: bits)))
        }
      case .bf16:
        for i in 0..<count {
          let bits = unsafe source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)
          unsafe buffer.initializeElement(at: i, to: float(bfloat16: UInt16(littleEndian: bits)))
        }
      default: preconditionFailure("floats() of a tensor of type \(elementType.rawValue)")
      }
      initialized = count
    }
  }
}
