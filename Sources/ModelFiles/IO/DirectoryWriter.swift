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
    temporary = path + ".\(getpid()).tmp"
    try checkTarget()
    guard unsafe mkdir(temporary, 0o777) == 0 else {
      isFinished = true  // deinit has nothing to remove
      throw failure("mkdir", errno)
    }
  }

  deinit { if !isFinished { try? FileManager.default.removeItem(atPath: temporary) } }

  /// Where to write a file of the directory.
  public func file(_ name: String) -> String {
    precondition(names.contains(name))
    return temporary + "/" + name
  }

  private func failure(_ call: String, _ code: Int32) -> ModelFilesError {
    ModelFilesError(
      .unwritable, file: path, found: call + ": " + systemErrorText(code), expected: "to write the directory",
      advice: "Check the folder and its permissions.")
  }

  private func checkTarget() throws(ModelFilesError) {
    var isDirectory = ObjCBool(false)
    guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else { return }
    guard isDirectory.boolValue else {
      throw ModelFilesError(
        .unwritable, file: path, found: "a file of that name", expected: "a directory, or nothing",
        advice: "Choose another path.")
    }
    let present = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    if let other = present.filter({ !names.contains($0) }).min() {
      throw ModelFilesError(
        .unwritable, file: path, found: "a directory that holds " + quoted(other),
        expected: "no directory, or one with nothing but " + names.sorted().joined(separator: " and "),
        advice: "Choose another path: what is there would be lost.")
    }
  }

  /// Gives the directory its name.
  ///
  /// - Throws: ``ModelFilesError``; nothing has changed under the final name then.
  public func finish() throws(ModelFilesError) {
    try checkTarget()
    flushFolder(temporary)
    if unsafe rename(temporary, path) == 0 {
      // There was nothing, or an empty directory.
      isFinished = true
    } else {
      guard errno == ENOTEMPTY || errno == EEXIST else { throw failure("rename", errno) }
      let code = exchange(temporary, path)
      guard code == 0 else { throw failure("exchange", code) }
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
