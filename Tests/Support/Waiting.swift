import Foundation

/// Blocks until `holds` is true, for a minute at most. The test that follows reports what did not come.
package func eventually(_ holds: () -> Bool) {
  for _ in 0..<60_000 where !holds() { usleep(1000) }
}

/// Waits until `holds` is true, for a minute at most, without blocking a thread of Swift's pool.
package func eventually(_ holds: () -> Bool) async {
  for _ in 0..<60_000 where !holds() { await pause(microseconds: 1000) }
}

/// Waits without blocking a thread of Swift's pool. Under ThreadSanitizer, `Task.sleep` sometimes never returns: its
/// timer has fired, and nobody reads it.
package func pause(microseconds: Int) async {
  await withCheckedContinuation { continuation in
    Thread.detachNewThread {
      usleep(UInt32(microseconds))
      continuation.resume()
    }
  }
}
