import Support
import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Takes merged weights from several threads, each of which writes to places of its own.
protocol WeightSink: Sendable {
  /// Writes bytes at a place.
  @unsafe func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(MergeError)
  /// Whether what was written waits in the system's memory for the disk.
  var isBuffered: Bool { get }
  /// Waits until what was written is safe.
  func flush() throws(MergeError)
}

extension WeightSink {
  /// Writes bytes at a place.
  func write(_ bytes: RawSpan, at offset: Int) throws(MergeError) {
    let error: MergeError? = unsafe bytes.withUnsafeBytes { bytes in
      do throws(MergeError) {
        try unsafe write(bytes, at: offset)
        return nil
      } catch {
        return error
      }
    }
    if let error { throw error }
  }
}

/// Memory that merged weights are written to.
@safe struct MemorySink: WeightSink {
  private nonisolated(unsafe) let target: UnsafeMutableRawBufferPointer

  /// The memory must live as long as it is written to.
  @unsafe init(_ target: UnsafeMutableRawBufferPointer) { unsafe self.target = target }

  @unsafe func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    let isWithin = unsafe offset >= 0 && bytes.count <= target.count - offset
    precondition(isWithin, "merged weights outside their memory")
    let place = unsafe UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + bytes.count])
    unsafe place.copyMemory(from: bytes)
  }

  var isBuffered: Bool { false }

  func flush() {}
}

/// A file of merged weights.
///
/// Where the file system allows it, whole blocks go from memory to the disk past the system's cache. This takes no
/// memory and little processor time from computing, and the verification then reads what is on the disk.
final class OutputFile: WeightSink {
  let path: String
  private let descriptor: Int32
  /// The same file past the cache; negative where the file system has no such thing.
  private let direct: Int32
  /// Bytes before and behind whole blocks, kept until all blocks are written: a write through the cache waits for
  /// writes past it.
  private let edges = Mutex<[(offset: Int, bytes: [UInt8])]>([])

  /// Creates the file, or empties it.
  init(path: String) throws(MergeError) {
    self.path = path
    descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    let code = errno
    direct = descriptor >= 0 ? Self.openDirect(path) : -1
    guard descriptor >= 0 else { throw failure(path, "open", code) }
  }

  deinit {
    close(descriptor)
    if direct >= 0 { close(direct) }
  }

  private static func openDirect(_ path: String) -> Int32 {
    #if canImport(Glibc)
      unsafe open(path, O_WRONLY | __O_DIRECT | O_CLOEXEC)
    #elseif canImport(Musl)
      unsafe open(path, O_WRONLY | O_DIRECT | O_CLOEXEC)
    #else
      -1
    #endif
  }

  var isBuffered: Bool { direct < 0 }

  /// Writes bytes at a place: aligned blocks past the cache, the rest through it, at ``flush()`` at the latest.
  @unsafe func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(MergeError) {
    let unit = PieceBuffer.alignment
    let first = min((offset + unit - 1) / unit * unit - offset, bytes.count)
    let end = first + (bytes.count - first) / unit * unit
    let isAligned = Int(bitPattern: bytes.baseAddress) % unit == offset % unit
    if direct >= 0, isAligned, first < end {
      // A file system may accept the flag and then refuse the write.
      if unsafe writeAll(bytes, first..<end, at: offset, direct) != 0 {
        try unsafe write(bytes, first..<end, at: offset, descriptor)
      }
      let rest = [0..<first, end..<bytes.count].filter { !$0.isEmpty }.map { range in
        unsafe (offset + range.lowerBound, Array(bytes[range]))
      }
      edges.withLock { $0 += rest }
    } else {
      try unsafe write(bytes, 0..<bytes.count, at: offset, descriptor)
    }
  }

  @unsafe private func write(
    _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, at offset: Int, _ descriptor: Int32
  ) throws(MergeError) {
    let code = unsafe writeAll(bytes, range, at: offset, descriptor)
    guard code == 0 else { throw failure(path, "write", code) }
  }

  /// Extends the file to `size` with zeros.
  ///
  /// Where blocks go past the cache, room on the disk is taken now: threads can then write at once, and a full disk
  /// fails before anything is computed.
  func extend(to size: Int) throws(MergeError) {
    #if !canImport(Darwin)
      if direct >= 0, size > 0, posix_fallocate(descriptor, 0, off_t(size)) == ENOSPC {
        throw failure(path, "posix_fallocate", ENOSPC)
      }
    #endif
    guard ftruncate(descriptor, off_t(size)) == 0 else { throw failure(path, "ftruncate", errno) }
  }

  /// Writes all of a part of bytes, the first of which belongs at `offset`; returns 0 or the error's number.
  @unsafe private func writeAll(
    _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, at offset: Int, _ descriptor: Int32
  ) -> Int32 {
    var done = range.lowerBound
    while done < range.upperBound {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done..<range.upperBound])
      let count = unsafe pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        return errno
      }
      done += count
    }
    return 0
  }

  /// Waits until what was written is on the disk.
  func flush() throws(MergeError) {
    let edges = edges.withLock { edges in
      defer { edges = [] }
      return edges
    }
    for (offset, bytes) in edges { try unsafe write(bytes.span.bytes, at: offset) }
    #if canImport(Darwin)
      let code = fsync(descriptor)
    #else
      let code = fdatasync(descriptor)
    #endif
    guard code == 0 else { throw failure(path, "fsync", errno) }
  }
}

/// The error of a system call that failed.
func failure(_ path: String, _ call: String, _ code: Int32) -> MergeError {
  .unwritable(path: path, call: call, reason: systemErrorText(code))
}
