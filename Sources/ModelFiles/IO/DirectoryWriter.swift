import Foundation
import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Writes a directory of a few files, whole or not at all.
///
/// The files are written into a temporary directory beside the final one. ``finish()`` gives it the final name,
/// or exchanges it in one step with the directory of that name. So the final name always has either the old or the
/// new files, never a mixture.
public final class DirectoryWriter {
  /// Where the directory will be.
  public let path: String
  private let temporary: String
  /// The open temporary directory: a lock on it shows that it is in use.
  private let descriptor: Int32
  private let lock: FolderLock
  private let names: Set<String>
  private var isFinished = false

  /// Begins a directory.
  ///
  /// - Parameters:
  ///   - path: replaced only if it is an empty directory, or one that holds nothing but `names`.
  ///   - names: the files that will be written.
  /// - Throws: ``ModelFilesError`` if something else stands there, or the folder cannot be written to.
  public init(path: String, names: Set<String>) throws(ModelFilesError) {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    self.path = path
    self.names = names
    try Self.checkTarget(path, names)
    // Where two processes write a directory, the second one is told instead of undone.
    let url = URL(fileURLWithPath: path)
    lock = try ModelFiles.lock(
      path, file: url.deletingLastPathComponent().path + "/." + url.lastPathComponent + FolderLock.name,
      purpose: "tina")
    Leftovers.remove(of: path, holding: names)
    var attempt = 0
    while true {
      let name = Leftovers.name(of: path, attempt: attempt)
      TemporaryPaths.add(name)
      if unsafe mkdir(name, 0o777) == 0 {
        let opened = unsafe open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if opened >= 0, Leftovers.claim(opened, name) {
          (temporary, descriptor) = (name, opened)
          return
        }
        if opened >= 0 { close(opened) }
      }
      let code = errno
      TemporaryPaths.forget(name)
      attempt += 1
      guard code == EEXIST || code == ENOENT, attempt < 100 else { throw Self.failure(path, "mkdir", code) }
    }
  }

  deinit {
    if !isFinished { try? FileManager.default.removeItem(atPath: temporary) }
    TemporaryPaths.forget(temporary)
    close(descriptor)
  }

  /// Where to write a file of the directory.
  public func file(_ name: String) -> String {
    precondition(names.contains(name))
    return temporary + "/" + name
  }

  private static func failure(_ path: String, _ call: String, _ code: Int32) -> ModelFilesError {
    ModelFilesError(
      kindOfFailure(code), file: path, found: call + ": " + systemErrorText(code),
      expected: "to write the directory",
      advice: "Check the folder and its permissions.")
  }

  private static func checkTarget(_ path: String, _ names: Set<String>) throws(ModelFilesError) {
    var isDirectory = ObjCBool(false)
    guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else { return }
    guard isDirectory.boolValue else {
      throw ModelFilesError(
        .occupied, file: path, found: "a file of that name", expected: "a directory, or nothing",
        advice: "Choose another path.")
    }
    let present = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    if let other = present.filter({ !names.contains($0) }).min() {
      throw ModelFilesError(
        .occupied, file: path, found: "a directory that holds " + quoted(other),
        expected: "no directory, or one with nothing but " + names.sorted().joined(separator: " and "),
        advice: "Choose another path: what is there would be lost.")
    }
  }

  /// Gives the directory its name.
  ///
  /// - Throws: ``ModelFilesError``; nothing has changed under the final name then.
  public func finish() throws(ModelFilesError) {
    try Self.checkTarget(path, names)
    flushFolder(temporary)
    if unsafe rename(temporary, path) == 0 {
      // There was nothing, or an empty directory.
      isFinished = true
    } else {
      guard errno == ENOTEMPTY || errno == EEXIST else { throw Self.failure(path, "rename", errno) }
      let code = exchange(temporary, path)
      guard code == 0 else { throw Self.failure(path, "exchange", code) }
      isFinished = true
      try? FileManager.default.removeItem(atPath: temporary)
    }
    flushFolder(URL(fileURLWithPath: path).deletingLastPathComponent().path)
  }
}

/// Exchanges two directories in one step; 0 or the error's number.
private func exchange(_ a: String, _ b: String) -> Int32 {
  #if canImport(Darwin)
    return unsafe renamex_np(a, b, UInt32(RENAME_SWAP)) == 0 ? 0 : errno
  #else
    // The C library has had this function since 2018, but its header hides it from Swift.
    typealias Rename =
      @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
    guard let program = unsafe dlopen(nil, RTLD_NOW), let symbol = unsafe dlsym(program, "renameat2") else {
      return ENOSYS
    }
    let renameat2 = unsafe unsafeBitCast(symbol, to: Rename.self)
    return unsafe renameat2(AT_FDCWD, a, AT_FDCWD, b, 2) == 0 ? 0 : errno  // 2: RENAME_EXCHANGE
  #endif
}
