import Glibc

/// A file in memory that the parsers open by its path, written anew for every input.
struct MemoryFile {
  let path: String
  private let descriptor: Int32

  init(_ name: String) {
    let name = "/dev/shm/tina-fuzz-\(name)-\(getpid())"
    descriptor = open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
    precondition(descriptor >= 0, "no file could be made under /dev/shm")
    unlink(name)
    path = "/proc/self/fd/\(descriptor)"
  }

  func write(_ bytes: UnsafeRawBufferPointer) {
    precondition(ftruncate(descriptor, 0) == 0 && pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count)
  }
}

/// What this thread has used of a processor: other work on the machine does not count.
func processorSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
