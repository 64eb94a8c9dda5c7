import ModelFiles
import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Keeps two programs from fetching the same blob at once: a `flock` on the file that `huggingface_hub` locks too.
/// The lock ends with the process at the latest.
struct BlobLock: ~Copyable {
  private let descriptor: Int32

  /// Waits until the lock is free.
  ///
  /// - Parameters:
  ///   - onWait: called once with who it is, if another program has it.
  ///   - stop: ends the waiting.
  init(path: String, stop: StopFlag, onWait: (String) -> Void) throws(HubError) {
    var told = false
    while true {
      let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o664)
      guard file >= 0 else { throw HubCache.failure(path, "open", errno) }
      while flock(file, LOCK_EX | LOCK_NB) != 0 {
        let code = errno
        // The file system has no locks: go on without one.
        guard code == EWOULDBLOCK || code == EINTR else { break }
        if !told {
          told = true
          onWait(FolderLock.holder(file))
        }
        if stop.isSet {
          close(file)
          throw HubConnection.cancelled
        }
        usleep(100_000)
      }
      // The former holder may have removed the file: then this lock protects nothing, and the loop tries again.
      var mine = stat()
      var there = stat()
      if unsafe fstat(file, &mine) == 0, unsafe stat(path, &there) == 0, mine.st_ino == there.st_ino,
        mine.st_dev == there.st_dev
      {
        descriptor = file
        // Only for people.
        var done = 0
        if ftruncate(file, 0) == 0 { _ = writeSome(Array("\(getpid()) tina\n".utf8), &done, to: file) }
        return
      }
      close(file)
    }
  }

  /// Who has a lock now; nil if it is free.
  static func holder(_ path: String) -> String? {
    let file = unsafe open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else { return nil }
    defer { close(file) }
    guard flock(file, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK else { return nil }
    return FolderLock.holder(file)
  }

  deinit {
    _ = ftruncate(descriptor, 0)
    close(descriptor)
  }
}
