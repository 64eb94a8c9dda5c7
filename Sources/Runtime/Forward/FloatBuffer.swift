import Foundation
import Support

/// Float32 memory that grows when asked for more and is reused otherwise; it begins at a multiple of 64 bytes.
///
/// One thread at a time uses a buffer.
@safe package final class FloatBuffer: Sendable {
  private nonisolated(unsafe) var memory: UnsafeMutablePointer<Float>?
  private nonisolated(unsafe) var capacity = 0

  package init() {}

  deinit { unsafe memory?.deallocate() }

  /// Room for `count` floats of unknown content. Growing voids the addresses that were given before.
  @unsafe package func reserve(_ count: Int) -> UnsafeMutablePointer<Float> {
    if unsafe memory == nil || count > capacity {
      unsafe memory?.deallocate()
      unsafe capacity = max(count, 16)
      let size = unsafe 4 * capacity
      // The system's large pages save most of the time of a first touch.
      let isLarge = size >= 16 << 20
      let bytes = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: isLarge ? 2 << 20 : 64)
      #if os(Linux)
        if isLarge { unsafe _ = madvise(bytes, size, Int32(MADV_HUGEPAGE)) }
      #endif
      unsafe memory = bytes.bindMemory(to: Float.self, capacity: capacity)
    }
    return unsafe start
  }

  /// Address of the floats that were reserved last.
  @unsafe package var start: UnsafeMutablePointer<Float> {
    guard let memory = unsafe memory else { preconditionFailure("reserve comes before start") }
    return unsafe memory
  }
}

/// Float buffers for bodies that run at the same time: each takes one and gives it back.
package final class FloatBufferPool: Sendable {
  private let free = Locked<[FloatBuffer]>([])

  package init() {}

  /// Calls `body` with room for `count` floats of unknown content.
  @unsafe package func use(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    let buffer = free.withLock { $0.popLast() } ?? FloatBuffer()
    unsafe body(buffer.reserve(count))
    free.withLock { $0.append(buffer) }
  }
}
