import Foundation

/// The machine's memory, or what a container leaves of it.
package enum MachineMemory {
  /// Bytes that a program can take without displacing others; half of all memory where the system does not tell.
  package static var available: Int {
    #if os(Linux)
      let group = ControlGroups().available
      if let free = free(meminfo: text("/proc/meminfo")) { return min(free, group ?? .max) }
      if let group { return group }
    #endif
    return Int(clamping: ProcessInfo.processInfo.physicalMemory / 2)
  }

  /// Bytes of all memory that this process may ever have.
  package static var total: Int {
    let machine = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    #if os(Linux)
      return min(machine, ControlGroups().limit ?? .max)
    #else
      return machine
    #endif
  }

  /// What `/proc/meminfo` says is available.
  private static func free(meminfo: String?) -> Int? {
    let line = meminfo?.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 }
  }

  static func text(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
