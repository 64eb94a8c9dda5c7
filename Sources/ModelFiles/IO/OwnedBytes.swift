package import Support

/// Allocated memory that begins at a multiple of 64, as kernels prefer it.
///
/// It does not change once filled, so threads may share it. The trainer is the exception: it keeps the address and
/// updates its matrices in place. It writes only while the sampler does not read, and attaches the adapter anew after
/// every change.
@safe public final class OwnedBytes: Sendable {
  /// Length in bytes.
  public let byteCount: Int
  private nonisolated(unsafe) let base: UnsafeMutableRawPointer

  /// The memory begins at a multiple of this.
  public static let alignment = 64

  /// Allocates zeroed memory and lets `body` fill it.
  ///
  /// - Parameters:
  ///   - byteCount: 0 or more; the caller bounds it by the size of the source.
  ///   - body: writes the contents; its error is passed on.
  public init<Failure: Error>(
    byteCount: Int, filledBy body: (inout MutableRawSpan) throws(Failure) -> Void
  ) throws(Failure) {
    self.byteCount = byteCount
    unsafe base = UnsafeMutableRawPointer.allocate(
      byteCount: max(byteCount, 1), alignment: OwnedBytes.alignment)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    var span = unsafe MutableRawSpan(_unsafeStart: base, byteCount: byteCount)
    try body(&span)
  }

  /// Allocates memory and lets `body` fill it through pointers, even from several threads. The memory is not
  /// cleared: `body` must write every byte before it returns.
  ///
  /// - Parameters:
  ///   - byteCount: 0 or more; the caller bounds it by the size of the source.
  ///   - body: writes the contents; its error is passed on.
  @unsafe public init<Failure: Error>(
    byteCount: Int, unsafelyFilledBy body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    self.byteCount = byteCount
    unsafe base = UnsafeMutableRawPointer.allocate(
      byteCount: max(byteCount, 1), alignment: OwnedBytes.alignment)
    try unsafe body(UnsafeMutableRawBufferPointer(start: base, count: byteCount))
  }

  /// A copy of bytes.
  public convenience init(_ bytes: RawSpan) {
    unsafe self.init(
      byteCount: bytes.byteCount,
      unsafelyFilledBy: { target in
        unsafe bytes.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
      })
  }

  /// A copy of bytes.
  public convenience init(_ bytes: [UInt8]) { unsafe self.init(bytes.span.bytes) }

  deinit { unsafe base.deallocate() }

  /// The bytes.
  public var bytes: RawSpan {
    @_lifetime(borrow self) get {
      unsafe _overrideLifetime(
        RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: byteCount), borrowing: self)
    }
  }

  /// Address of the first byte; valid as long as this object lives.
  @unsafe public var baseAddress: UnsafeRawPointer { unsafe UnsafeRawPointer(base) }
}

/// What holds a tensor's bytes.
public enum ByteStorage: Sendable {
  /// A mapped file: its pages are read when they are touched.
  case file(MappedFile)
  /// Memory, for numbers that were decoded or computed.
  case memory(OwnedBytes)

  /// Length in bytes.
  public var byteCount: Int {
    switch self {
    case .file(let file): file.byteCount
    case .memory(let memory): memory.byteCount
    }
  }

  /// A copy of part of the bytes.
  ///
  /// - Precondition: the range lies within the storage.
  public func copy(_ range: Range<Int>) -> [UInt8] {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "range outside the storage")
    return unsafe [UInt8](UnsafeRawBufferPointer(start: baseAddress + range.lowerBound, count: range.count))
  }

  /// Address of the first byte; valid as long as the storage lives.
  @unsafe public var baseAddress: UnsafeRawPointer {
    switch self {
    case .file(let file): unsafe file.baseAddress
    case .memory(let memory): unsafe memory.baseAddress
    }
  }
}

extension Digest {
  /// Appends part of a storage.
  ///
  /// - Precondition: the range lies in the storage.
  package mutating func update(_ storage: ByteStorage, _ range: Range<Int>) {
    switch storage {
    case .file(let file): update(file.bytes.extracting(range))
    case .memory(let memory): update(memory.bytes.extracting(range))
    }
  }
}
