import Foundation

/// What the machine has.
enum Memory {
  /// Bytes that programs can take without others having to give way; where the system does not tell, half of
  /// all memory.
  static var available: Int {
    #if os(Linux)
      if let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8),
        let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
        let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
      {
        return kibibytes << 10
      }
    #endif
    return Int(clamping: ProcessInfo.processInfo.physicalMemory / 2)
  }
}

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

/// Tells the last of a number of steps.
final class Countdown: Sendable {
  private let left: Locked<Int>

  init(_ count: Int) { left = Locked(count) }

  /// True for the last.
  func step() -> Bool {
    left.withLock { left in
      left -= 1
      return left == 0
    }
  }
}
