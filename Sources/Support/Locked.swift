import Foundation

/// A value that one thread at a time reads or changes. Synchronization's Mutex does not serve here, because
/// ThreadSanitizer does not see it and reports races.
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
