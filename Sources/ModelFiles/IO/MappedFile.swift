import CMapGuard
import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A file's bytes in memory, read-only: mapped, so that pages are read when they are touched, or copied.
///
/// The bytes stay as long as the object. A program that shortens a mapped file, or writes into it, changes them: then
/// ``checkUnchanged()`` throws. What is lost reads as zeros, and no signal is raised. A copy never changes.
@safe public final class MappedFile: Sendable {
  /// Where a file's bytes are kept.
  public enum Residence: Sendable {
    /// In the system's own memory of the file.
    case mapped
    /// In memory of the program's own: later changes of the file do not matter. A file that takes more than half of
    /// the available memory is mapped all the same.
    case copied
  }

  /// The path as it was given.
  public let path: String
  /// Length of the file in bytes.
  public let byteCount: Int
  private nonisolated(unsafe) let base: UnsafeRawPointer
  private let watch: MapWatch?

  /// Maps or copies a regular file; an empty one is allowed.
  ///
  /// - Throws: ``ModelFilesError`` if the file does not exist, is no regular file, cannot be mapped, or changes while
  ///   it is copied.
  public init(path: String, _ residence: Residence = .mapped) throws(ModelFilesError) {
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
    var isKept = false
    defer { if !isKept { close(descriptor) } }
    var info = stat()
    guard unsafe fstat(descriptor, &info) == 0 else { throw failure("fstat", errno) }
    guard info.st_mode & S_IFMT == S_IFREG else {
      let kind = info.st_mode & S_IFMT == S_IFDIR ? "a directory" : "no regular file"
      throw ModelFilesError(.unreadable, file: path, found: kind, expected: "a regular file")
    }
    let size = Int(info.st_size)
    self.path = path
    byteCount = size
    if size == 0 {
      unsafe base = UnsafeRawPointer(emptyPage)
      watch = nil
    } else if residence == .copied, size <= MachineMemory.available / 2 {
      guard let copy = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0),
        unsafe copy != MAP_FAILED
      else { throw failure("mmap", errno) }
      if let error = unsafe read(descriptor, into: copy, size, FileStamp(info), path) {
        unsafe munmap(copy, size)
        throw error
      }
      unsafe base = UnsafeRawPointer(copy)
      watch = nil
    } else {
      guard let map = unsafe mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
        unsafe map != MAP_FAILED
      else { throw failure("mmap", errno) }
      guard let guarded = unsafe mg_watch(map, size) else {
        unsafe munmap(map, size)
        throw failure("watch", ENOMEM)
      }
      unsafe base = UnsafeRawPointer(map)
      watch = unsafe MapWatch(descriptor: descriptor, stamp: FileStamp(info), guarded: guarded)
      isKept = true
    }
  }

  deinit {
    if let watch {
      unsafe mg_unwatch(watch.guarded)
      close(watch.descriptor)
    }
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

  // MARK: Changes

  /// Whether changes of the file matter: it is mapped, not copied.
  package var isWatched: Bool { watch != nil }

  /// Whether a part of the file was read that is no longer there: it read as zeros. Costs next to nothing.
  package var isTorn: Bool { watch.map { unsafe mg_is_torn($0.guarded) } ?? false }

  /// Throws if the file is not what it was when it was opened. A new file of the same name does not matter.
  ///
  /// - Throws: ``ModelFilesError`` of the kind `changed`.
  public func checkUnchanged() throws(ModelFilesError) {
    guard let watch else { return }
    var info = stat()
    let now = unsafe fstat(watch.descriptor, &info) == 0 ? FileStamp(info) : nil
    if let now, now != watch.stamp { throw now.error(path, since: watch.stamp) }
    guard isTorn else { return }
    throw ModelFilesError(
      .changed, file: path, found: "bytes that cannot be read any more",
      expected: "the \(byteCount) bytes that it had when it was opened", advice: "Check the disk.")
  }
}

/// What a map needs to notice changes of its file.
@safe private struct MapWatch: Sendable {
  let descriptor: Int32
  let stamp: FileStamp
  /// Its functions may be called from any thread.
  nonisolated(unsafe) let guarded: OpaquePointer
}

/// What changes when a file's content does.
private struct FileStamp: Equatable {
  let size: Int
  let seconds: Int
  let nanoseconds: Int

  init(_ info: stat) {
    size = Int(info.st_size)
    #if canImport(Darwin)
      (seconds, nanoseconds) = (info.st_mtimespec.tv_sec, info.st_mtimespec.tv_nsec)
    #else
      (seconds, nanoseconds) = (info.st_mtim.tv_sec, info.st_mtim.tv_nsec)
    #endif
  }

  func error(_ path: String, since old: FileStamp) -> ModelFilesError {
    ModelFilesError(
      .changed, file: path,
      found: size == old.size
        ? "a file that was written to while it was in use"
        : "a file of \(size) bytes, which had \(old.size) when it was opened",
      expected: "a file that nobody changes while it is in use",
      advice: "Put new files in place by renaming them, and start again.")
  }
}

/// Reads a whole file; returns why that was not possible.
private func read(
  _ descriptor: Int32, into target: UnsafeMutableRawPointer, _ size: Int, _ stamp: FileStamp, _ path: String
) -> ModelFilesError? {
  var done = 0
  var code: Int32 = 0
  while done < size {
    let count = unsafe pread(descriptor, target + done, min(size - done, 1 << 30), off_t(done))
    if count > 0 {
      done += count
    } else if count == 0 {
      break
    } else if errno != EINTR {
      code = errno
      break
    }
  }
  var info = stat()
  if unsafe fstat(descriptor, &info) == 0, FileStamp(info) != stamp {
    return FileStamp(info).error(path, since: stamp)
  }
  guard done < size else { return nil }
  return ModelFilesError(
    .unreadable, file: path, found: "read: " + (code == 0 ? "\(done) bytes" : systemErrorText(code)),
    expected: "\(size) bytes", advice: "Check the disk.")
}

/// The address of an empty file's bytes: never read, never null.
private nonisolated(unsafe) let emptyPage = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
