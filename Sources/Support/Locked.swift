import Foundation

/// A value that one thread at a time reads or changes. (ThreadSanitizer does not see the order that
/// Synchronization's Mutex makes, and would report races.)
package final class Locked<Value: Sendable>: Sendable {
  private let lock = NSLock()
  private nonisolated(unsafe) var value: Value

  package init(_ value: Value) { unsafe self.value = value }

  package func withLock<T>(_ body: (inout Value) -> T) -> T {
    lock.lock()
    defer { lock.unlock() }
    return unsafe body(&value)
  }
}
