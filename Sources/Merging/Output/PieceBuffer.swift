import Dispatch

/// Memory in which one thread makes a piece of a file, and from which another writes it.
///
/// The bytes' addresses and their places in the file leave the same rest when divided by ``alignment``, so that whole
/// blocks can go to the disk without a copy.
@safe final class PieceBuffer: Sendable {
  /// The block size for writing past the system's cache; disks with smaller blocks accept it too.
  static let alignment = 4096

  // The semaphore `free` keeps two threads from using the buffer at once.
  private nonisolated(unsafe) var memory = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private nonisolated(unsafe) var range = 0..<0
  private let free = DispatchSemaphore(value: 1)

  deinit { unsafe memory.deallocate() }

  /// Waits until the buffer is free, and takes it.
  ///
  /// - Parameters:
  ///   - byteCount: the bytes that it must hold.
  ///   - offset: where in the file they will be.
  func take(byteCount: Int, for offset: Int) {
    free.wait()
    let start = offset % Self.alignment
    if unsafe memory.baseAddress == nil || memory.count < start + byteCount {
      unsafe memory.deallocate()
      unsafe memory = .allocate(byteCount: start + byteCount + Self.alignment, alignment: Self.alignment)
    }
    unsafe range = start..<start + byteCount
  }

  /// Frees the buffer for the next ``take(byteCount:for:)``.
  func release() { free.signal() }

  /// Where the piece begins.
  @unsafe var start: UnsafeMutableRawPointer {
    guard let base = unsafe memory.baseAddress else { preconditionFailure("a buffer that nobody has taken") }
    return unsafe base + range.lowerBound
  }

  /// The piece.
  @unsafe var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: start, count: range.count)
  }
}
