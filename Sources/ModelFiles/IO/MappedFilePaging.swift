#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Control over which parts of a mapped file are in memory. The system chooses well for files that are read often; a
/// program that reads a large file once can choose better. The bytes stay the same, and reading still shows errors.
extension MappedFile {
  /// Tells the system to read only the pages that are touched, because the reads will be scattered.
  package func expectScatteredReads() { advise(0..<byteCount, MADV_RANDOM) }

  /// Reads the pages of a range from the disk, and waits until they are in memory where the system can.
  package func load(_ range: Range<Int>) {
    let pages = pages(range.lowerBound / pageSize, (range.upperBound + pageSize - 1) / pageSize)
    advise(pages, MADV_NORMAL)
    #if os(Linux)
      let populateRead: Int32 = 22  // MADV_POPULATE_READ, of Linux 5.14: not in every libc's headers.
      if advise(pages, populateRead) { return }
    #endif
    advise(pages, MADV_WILLNEED)
  }

  /// Releases the pages within a range, from memory and from the system's cache.
  package func drop(_ range: Range<Int>) {
    let pages = pages((range.lowerBound + pageSize - 1) / pageSize, range.upperBound / pageSize)
    guard !pages.isEmpty else { return }
    advise(pages, MADV_DONTNEED)
    #if os(Linux)
      let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return }
      posix_fadvise(descriptor, off_t(pages.lowerBound), off_t(pages.count), POSIX_FADV_DONTNEED)
      close(descriptor)
    #endif
  }

  private var pageSize: Int { Int(getpagesize()) }

  /// Bytes of whole pages within the file.
  private func pages(_ first: Int, _ end: Int) -> Range<Int> {
    let end = min(end * pageSize, byteCount)
    return min(max(first * pageSize, 0), end)..<end
  }

  @discardableResult
  private func advise(_ range: Range<Int>, _ advice: Int32) -> Bool {
    guard !range.isEmpty else { return true }
    return unsafe madvise(
      UnsafeMutableRawPointer(mutating: baseAddress) + range.lowerBound, range.count, advice) == 0
  }
}
