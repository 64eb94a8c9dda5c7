import Glibc

/// A file in memory that the parsers open by its path, written anew for every input.
struct MemoryFile {
  let path: String
  private let descriptor: Int32

  init(_ name: String) {
    descriptor = memfd_create(name, 0)
    precondition(descriptor >= 0, "memfd_create failed")
    path = "/proc/self/fd/\(descriptor)"
  }

  func write(_ bytes: UnsafeRawBufferPointer) {
    precondition(ftruncate(descriptor, 0) == 0 && pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count)
  }
}
