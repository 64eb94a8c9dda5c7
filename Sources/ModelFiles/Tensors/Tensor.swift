/// A named array of numbers in a mapped file, where nothing is copied, or in memory.
public struct Tensor: Sendable {
  /// Name in the file.
  public let name: String
  /// How the elements are stored, little-endian.
  public let elementType: ElementType
  /// Sizes from the slowest to the fastest dimension; `[]` for a single number.
  public let shape: [Int]
  /// What holds its bytes.
  public let storage: ByteStorage
  /// Where in the storage, in bytes from its beginning. Some writers do not align it.
  public let byteRange: Range<Int>

  /// Makes a view of part of a file.
  ///
  /// - Precondition: the range lies in the file and its length is that of the elements.
  public init(name: String, elementType: ElementType, shape: [Int], file: MappedFile, byteRange: Range<Int>) {
    self.init(
      name: name, elementType: elementType, shape: shape, storage: .file(file), byteRange: byteRange)
  }

  /// Makes a tensor of a whole piece of memory.
  ///
  /// - Precondition: the memory's length is that of the elements.
  public init(name: String, elementType: ElementType, shape: [Int], memory: OwnedBytes) {
    self.init(
      name: name, elementType: elementType, shape: shape, storage: .memory(memory),
      byteRange: 0..<memory.byteCount)
  }

  /// Makes a view of part of a storage.
  ///
  /// - Precondition: the range lies in the storage and its length is that of the elements.
  public init(
    name: String, elementType: ElementType, shape: [Int], storage: ByteStorage, byteRange: Range<Int>
  ) {
    precondition(byteRange.lowerBound >= 0 && byteRange.upperBound <= storage.byteCount)
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.storage = storage
    self.byteRange = byteRange
    precondition(elementType.byteCount(shape: shape) == byteRange.count)
  }

  /// Makes an F32 tensor in memory.
  ///
  /// - Precondition: as many numbers as the shape says.
  public init(name: String, shape: [Int], floats: [Float]) {
    let memory = unsafe OwnedBytes(
      byteCount: 4 * floats.count,
      unsafelyFilledBy: { (target: UnsafeMutableRawBufferPointer) in
        for (i, value) in floats.enumerated() {
          unsafe target.storeBytes(of: value.bitPattern.littleEndian, toByteOffset: 4 * i, as: UInt32.self)
        }
      })
    self.init(name: name, elementType: .f32, shape: shape, memory: memory)
  }

  /// The same numbers under another name.
  public func renamed(_ name: String) -> Tensor {
    Tensor(name: name, elementType: elementType, shape: shape, storage: storage, byteRange: byteRange)
  }

  /// A view of some of the elements, as one row.
  ///
  /// - Precondition: the range lies in the tensor and begins and ends between blocks.
  package func elements(_ range: Range<Int>) -> Tensor {
    let start = byteRange.lowerBound + elementType.byteCount(range.lowerBound)
    return Tensor(
      name: name, elementType: elementType, shape: [range.count], storage: storage,
      byteRange: start..<start + elementType.byteCount(range.count))
  }

  /// The file that holds it, or nil if it is in memory.
  public var file: MappedFile? { if case .file(let file) = storage { file } else { nil } }

  /// Number of elements, the product of ``shape``.
  public var elementCount: Int { shape.contains(0) ? 0 : shape.reduce(1, *) }

  /// Size of the fastest dimension; 1 for a single number.
  package var columns: Int { shape.last ?? 1 }

  /// Number of rows, each of ``columns`` elements.
  package var rows: Int { columns == 0 ? 0 : elementCount / columns }

  /// The tensor's bytes.
  public var bytes: RawSpan {
    @_lifetime(borrow self) get {
      let span = unsafe RawSpan(_unsafeStart: baseAddress, byteCount: byteRange.count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Address of the first element; valid as long as ``storage`` lives.
  @unsafe public var baseAddress: UnsafeRawPointer { unsafe storage.baseAddress + byteRange.lowerBound }

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
