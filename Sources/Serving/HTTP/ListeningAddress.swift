import Foundation

/// An address that a server listens on.
public enum ListeningAddress {
  /// Whether only programs of this machine can reach it: `localhost`, 127.0.0.0/8 or ::1 in any spelling.
  public static func isLoopback(_ host: String) -> Bool {
    if ["localhost", "localhost."].contains(where: { host.isSameIgnoringCase($0) }) { return true }
    var four = in_addr()
    if unsafe inet_pton(AF_INET, host, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
    var six = in6_addr()
    guard unsafe inet_pton(AF_INET6, host, &six) == 1 else { return false }
    let bytes = unsafe withUnsafeBytes(of: &six) { unsafe Array($0) }
    let mapped = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, 127]
    return bytes == [UInt8](repeating: 0, count: 15) + [1] || bytes.starts(with: mapped)
  }
}
