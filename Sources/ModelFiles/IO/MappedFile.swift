import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A file mapped read-only into memory: nothing is copied, pages are read when they are touched.
///
/// The map lives as long as the object. No program may shorten the file meanwhile: the system
/// answers an access beyond the new end with a signal.
@safe public final class MappedFile: Sendable {
  /// The path as it was given.
  public let path: String
  /// Length of the file in bytes.
  public let byteCount: Int
  private nonisolated(unsafe) let base: UnsafeRawPointer

  /// Maps a regular file; an empty one is allowed.
  ///
  /// - Throws: ``ModelFilesError`` if the file does not exist, is no regular file or cannot be mapped.
  public init(path: String) throws(ModelFilesError) {
    func failure(_ call: String, _ code: Int32) -> ModelFilesError {
      code == ENOENT || code == ENOTDIR
        ? ModelFilesError(
          .missing, file: path, found: "no such file", expected: "a file", advice: "Check the path.")
        : ModelFilesError(
          .unreadable, file: path, found: "\(call): \(systemErrorText(code))", expected: "a readable file",
          advice: "Check the path and its permissions.")
    }
    guard !path.utf8.contains(0) else { throw failure("open", ENOENT) }
    // O_NONBLOCK: opening a named pipe must not wait for a writer.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw failure("open", errno) }
    defer { close(descriptor) }
    var info = stat()
    guard unsafe fstat(descriptor, &info) == 0 else { throw failure("fstat", errno) }
    guard info.st_mode & S_IFMT == S_IFREG else {
      let kind = info.st_mode & S_IFMT == S_IFDIR ? "a directory" : "no regular file"
      throw ModelFilesError(.unreadable, file: path, found: kind, expected: "a regular file")
    }
    let size = Int(info.st_size)
    if size == 0 {
      unsafe base = UnsafeRawPointer(emptyPage)
    } else {
      guard let map = unsafe mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
        unsafe map != MAP_FAILED
      else { throw failure("mmap", errno) }
      unsafe base = UnsafeRawPointer(map)
    }
    self.path = path
    byteCount = size
  }

  deinit {
    if byteCount > 0 { unsafe munmap(UnsafeMutableRawPointer(mutating: base), byteCount) }
  }

  /// The file's bytes.
  public var bytes: RawSpan {
    @_lifetime(borrow self) get {
      unsafe _overrideLifetime(RawSpan(_unsafeStart: base, byteCount: byteCount), borrowing: self)
    }
  }

  /// Address of the first byte; valid as long as this object lives.
  @unsafe public var baseAddress: UnsafeRawPointer { unsafe base }

  /// Asks the system to read the whole file ahead, without waiting.
  public func prefetch() {
    guard byteCount > 0 else { return }
    unsafe _ = madvise(UnsafeMutableRawPointer(mutating: base), byteCount, MADV_WILLNEED)
  }

  /// A copy of part of the file.
  ///
  /// - Parameter range: byte offsets within `0..<byteCount`; anything else stops the program.
  public func copy(_ range: Range<Int>) -> [UInt8] {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "range outside the file")
    return unsafe [UInt8](UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
  }
}

/// The address of an empty file's bytes: never read, never null.
private nonisolated(unsafe) let emptyPage = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
