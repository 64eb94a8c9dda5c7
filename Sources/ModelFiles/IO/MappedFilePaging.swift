#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Which parts of a mapped file are in memory. The system decides that well where a file is read again and again; who
/// reads a large one once knows better. None of this changes what is read: an error of the disk shows as ever, to
/// whoever touches the bytes.
extension MappedFile {
  /// Says that bytes will be touched here and there, until they are loaded: the system shall read no more than is
  /// touched.
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

  /// Gives the pages that lie in a range back to the system, the copy in its cache too.
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
