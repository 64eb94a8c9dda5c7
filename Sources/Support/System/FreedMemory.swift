import Dispatch

#if canImport(Glibc)
  import Glibc
#endif

/// Gives memory that was freed back to the system.
///
/// The C library keeps what each thread has freed, in case that thread wants it again. A server whose threads take
/// turns with bodies of megabytes would grow for hours.
package final class FreedMemory: Sendable {
  /// Seconds between large work and the return of what it left.
  package static let delay = 2.0

  private let isPlanned = Locked(false)
  private let queue = DispatchQueue(label: "tina freed memory", qos: .utility)
  private let release: @Sendable () -> Void

  /// - Parameter release: What gives memory back; the C library's own unless a test counts.
  package init(release: @escaping @Sendable () -> Void = FreedMemory.trim) {
    self.release = release
  }

  /// Plans a return; one that is planned already is enough.
  package func returnSoon() {
    let wasPlanned = isPlanned.withLock { planned in
      defer { planned = true }
      return planned
    }
    if wasPlanned { return }
    queue.asyncAfter(deadline: .now() + Self.delay) { [self] in
      isPlanned.withLock { $0 = false }
      release()
    }
  }

  /// Returns the free pages of all threads; elsewhere than with glibc, the system sees to it.
  package static func trim() {
    #if canImport(Glibc)
      // Swift's module of the C library leaves out malloc.h.
      guard let symbol = unsafe dlsym(nil, "malloc_trim") else { return }
      let trim = unsafe unsafeBitCast(symbol, to: (@convention(c) (Int) -> CInt).self)
      _ = trim(0)
    #endif
  }
}
