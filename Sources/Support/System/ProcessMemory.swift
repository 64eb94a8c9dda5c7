import Foundation

/// Memory of this process; nil where the system does not tell.
package enum ProcessMemory {
  /// Resident bytes, those of mapped files included.
  package static var residentBytes: Int? { field("VmRSS:") }
  /// Resident bytes that no file stands behind.
  package static var privateBytes: Int? { field("RssAnon:") }

  private static func field(_ name: String) -> Int? {
    guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
      let kibibytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) })
    else { return nil }
    return kibibytes << 10
  }
}
