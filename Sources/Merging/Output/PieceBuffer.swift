import Dispatch

/// Memory in which a piece of a file is made, and from which it is written while the next is made in another.
///
/// Bytes lie in it as they will lie in the file, by the rest of a division of their places by ``alignment``: so the
/// blocks among them can go to the disk without a copy.
@safe final class PieceBuffer: Sendable {
  /// The unit in which disks are written past the system's cache; those that want less take this too.
  static let alignment = 4096

  // Whoever has taken the buffer is alone with it.
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

  /// Gives it back.
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
