import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Writes a file whole or not at all.
///
/// The bytes go to a nameless or temporary file in the same folder; ``finish()`` flushes it to the disk and
/// renames it. If the process ends before that, by an error, by `kill -9` or by a full disk, the final name still
/// has the old file, or none.
@safe public final class FileWriter {
  /// Where the file will be.
  public let path: String
  /// Number of bytes written so far.
  public private(set) var byteCount = 0
  private let folder: String
  private var descriptor: Int32
  /// The temporary name, once the file has one.
  private var temporary: String?
  private var buffer: [UInt8] = []
  private static let bufferSize = 1 << 18

  /// Begins a file; the folder must exist.
  ///
  /// - Parameter path: a symbolic link is followed, so that the file that it names is replaced.
  /// - Throws: ``ModelFilesError`` if the folder cannot be written to, or that name is not a regular file's.
  public init(path: String) throws(ModelFilesError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw Self.failure(path, found: "no file name", expected: "a path")
    }
    var target = path
    var info = stat()
    if unsafe stat(path, &info) == 0 {
      guard info.st_mode & S_IFMT == S_IFREG else {
        let kind = info.st_mode & S_IFMT == S_IFDIR ? "a directory" : "no regular file"
        throw Self.failure(path, found: kind + " of that name", expected: "a file, or nothing")
      }
      if let resolved = unsafe realpath(path, nil) {
        target = unsafe String(cString: resolved)
        unsafe free(resolved)
      }
    }
    let slash = target.utf8.lastIndex(of: UInt8(ascii: "/"))
    self.path = target
    folder = slash.map { $0 == target.startIndex ? "/" : String(target[..<$0]) } ?? "."
    guard slash.map({ target.utf8.index(after: $0) != target.endIndex }) ?? true else {
      throw Self.failure(path, found: "a path that ends in a slash", expected: "a file's path")
    }
    #if os(Linux)
      // The system deletes a file without a name when the process ends. Some file systems have none.
      descriptor = unsafe open(folder, 0o20000000 | O_DIRECTORY | O_RDWR | O_CLOEXEC, 0o666)
      if descriptor >= 0 {
        // The lock shows that the name which it gets at the end is in use.
        _ = flock(descriptor, LOCK_EX)
        return
      }
    #endif
    descriptor = -1
    Leftovers.remove(of: target)
    for attempt in 0..<100 {
      let name = Leftovers.name(of: target, attempt: attempt)
      TemporaryPaths.add(name)
      descriptor = unsafe open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0, Leftovers.claim(descriptor, name) {
        temporary = name
        return
      }
      let code = errno
      TemporaryPaths.forget(name)
      if descriptor >= 0 {
        close(descriptor)
        descriptor = -1
      } else if code != EEXIST {
        break
      }
    }
    throw Self.failure(path, call: "open", errno)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if let temporary {
      unsafe unlink(temporary)
      TemporaryPaths.forget(temporary)
    }
  }

  private static func failure(_ path: String, found: String, expected: String) -> ModelFilesError {
    ModelFilesError(.occupied, file: path, found: found, expected: expected, advice: "Choose another path.")
  }

  private static func failure(_ path: String, call: String, _ code: Int32) -> ModelFilesError {
    ModelFilesError(
      kindOfFailure(code), file: path,
      // The system can't read a part of a mapped file that is no longer there.
      found: code == EFAULT
        ? "that a file which is copied there was shortened meanwhile" : "\(call): \(systemErrorText(code))",
      expected: "to write the file",
      advice: code == EFAULT
        ? "Put new files in place by renaming them, and start again."
        : code == ENOSPC || code == EDQUOT
          ? "Make room on the disk; nothing was left under this name."
          : "Check the folder and its permissions.")
  }

  /// Writes a file of these bytes.
  ///
  /// - Throws: as ``init(path:)`` and ``finish()``.
  public static func write(_ bytes: [UInt8], to path: String) throws(ModelFilesError) {
    let writer = try FileWriter(path: path)
    try writer.write(bytes)
    try writer.finish()
  }

  /// Appends bytes.
  public func write(_ bytes: RawSpan) throws(ModelFilesError) {
    byteCount += bytes.byteCount
    if buffer.count + bytes.byteCount <= Self.bufferSize {
      unsafe bytes.withUnsafeBytes { unsafe buffer.append(contentsOf: $0) }
      return
    }
    try flush()
    if bytes.byteCount <= Self.bufferSize {
      unsafe bytes.withUnsafeBytes { unsafe buffer.append(contentsOf: $0) }
    } else {
      let code = unsafe bytes.withUnsafeBytes { unsafe writeAll($0) }
      guard code == 0 else { throw Self.failure(path, call: "write", code) }
    }
  }

  /// Appends bytes.
  public func write(_ bytes: [UInt8]) throws(ModelFilesError) { try unsafe write(bytes.span.bytes) }

  private func flush() throws(ModelFilesError) {
    let code = unsafe buffer.withUnsafeBytes { unsafe writeAll($0) }
    buffer.removeAll(keepingCapacity: true)
    guard code == 0 else { throw Self.failure(path, call: "write", code) }
  }

  /// Writes until everything is written; returns 0 or the error's number.
  private func writeAll(_ bytes: UnsafeRawBufferPointer) -> Int32 {
    var done = 0
    while done < bytes.count {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
      #if canImport(Darwin)
        let count = unsafe Darwin.write(descriptor, rest.baseAddress, min(rest.count, 1 << 30))
      #elseif canImport(Musl)
        let count = unsafe Musl.write(descriptor, rest.baseAddress, min(rest.count, 1 << 30))
      #else
        let count = unsafe Glibc.write(descriptor, rest.baseAddress, min(rest.count, 1 << 30))
      #endif
      if count < 0 {
        if errno == EINTR { continue }
        return errno
      }
      done += count
    }
    return 0
  }

  /// Flushes the file to the disk and gives it its name; an existing file is replaced in one step.
  ///
  /// - Throws: ``ModelFilesError``; nothing has changed under the final name then.
  public func finish() throws(ModelFilesError) {
    precondition(descriptor >= 0, "FileWriter.finish() a second time")
    try flush()
    guard fsync(descriptor) == 0 else { throw Self.failure(path, call: "fsync", errno) }
    if temporary == nil { try name() }
    guard let temporary else { throw Self.failure(path, call: "link", EEXIST) }
    guard unsafe rename(temporary, path) == 0 else { throw Self.failure(path, call: "rename", errno) }
    TemporaryPaths.forget(temporary)
    self.temporary = nil
    close(descriptor)
    descriptor = -1
    // The new name is safe once the folder is on the disk.
    flushFolder(folder)
  }

  /// Gives the nameless file a temporary name, from which it can be renamed.
  private func name() throws(ModelFilesError) {
    var code: Int32 = EEXIST
    Leftovers.remove(of: path)
    for attempt in 0..<100 where code == EEXIST {
      let name = Leftovers.name(of: path, attempt: attempt)
      TemporaryPaths.add(name)
      if unsafe linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0 {
        temporary = name
        return
      }
      code = errno
      TemporaryPaths.forget(name)
    }
    throw Self.failure(path, call: "linkat", code)
  }
}
