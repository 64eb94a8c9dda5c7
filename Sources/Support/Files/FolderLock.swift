import Foundation

/// Keeps other processes out of a folder: a lock on a file in it, which names its holder. The system drops the lock
/// with the process, however that ends; a file that is left behind locks nothing.
package final class FolderLock: Sendable {
  /// Why there is no lock.
  package enum Failure: Error {
    /// Another one has it: "process 4711, tina train".
    case held(by: String)
    /// The system refused the call.
    case system(call: String, code: Int32)
  }

  /// The file's name in a folder.
  package static let name = ".tina-lock"

  private let path: String
  private let descriptor: Int32

  /// Takes the lock or fails at once.
  ///
  /// - Parameters:
  ///   - path: the lock's file; its folder exists.
  ///   - purpose: what the holder does, as others are told: "tina train".
  package init(file path: String, purpose: String) throws(Failure) {
    self.path = path
    while true {
      let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
      guard file >= 0 else { throw .system(call: "open", code: errno) }
      if flock(file, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
        let holder = Self.holder(file)
        close(file)
        throw .held(by: holder)
      }
      // A file system without locks: go on without one. Else the former holder may have removed the file meanwhile:
      // then this lock protects nothing.
      guard isSameFile(file, path) else {
        close(file)
        continue
      }
      descriptor = file
      break
    }
    let text = Array("\(getpid()) \(purpose)\n".utf8)
    var done = 0
    // Only for people: without it the lock holds all the same.
    if ftruncate(descriptor, 0) == 0 { _ = writeSome(text, &done, to: descriptor) }
    TemporaryPaths.add(path)
  }

  deinit {
    // Removed while it is held: whoever opens it afterwards finds another file, or none.
    unsafe unlink(path)
    TemporaryPaths.forget(path)
    close(descriptor)
  }

  /// Who has a lock. The holder may just be about to write its name.
  package static func holder(_ file: Int32) -> String {
    var text = ""
    for _ in 0..<20 where !text.hasSuffix("\n") {
      var bytes = [UInt8](repeating: 0, count: 128)
      let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, 0) }
      text = String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
      if !text.hasSuffix("\n") { usleep(5000) }
    }
    let words = text.split(whereSeparator: \.isWhitespace)
    guard let pid = words.first.flatMap({ Int32($0) }) else { return "another process" }
    let purpose = visible(words.dropFirst().joined(separator: " "))
    return "process \(pid)" + (purpose.isEmpty ? "" : ", \(purpose)")
  }
}

/// Whether a path still leads to an open file.
package func isSameFile(_ descriptor: Int32, _ path: String) -> Bool {
  var mine = stat()
  var there = stat()
  return unsafe fstat(descriptor, &mine) == 0 && lstat(path, &there) == 0 && mine.st_ino == there.st_ino
    && mine.st_dev == there.st_dev
}
