import Foundation

/// The machine's memory.
package enum MachineMemory {
  /// Bytes that a program can take without displacing others; half of all memory where the system does not tell.
  package static var available: Int {
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
