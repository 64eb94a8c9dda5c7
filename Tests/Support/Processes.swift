import Foundation

/// Whether a process runs. One that ended and that nobody has asked about yet does not.
package func isRunning(_ process: Int32) -> Bool {
  guard kill(process, 0) == 0 else { return false }
  #if os(Linux)
    guard let status = FileManager.default.contents(atPath: "/proc/\(process)/stat") else { return false }
    // After the name, which is in parentheses and may be anything.
    let text = String(decoding: status, as: UTF8.self)
    return text.split(separator: ")").last?.first { $0 != " " } != "Z"
  #else
    return true
  #endif
}
