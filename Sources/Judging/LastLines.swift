import ModelFiles
import Support

/// The end of what a process wrote to its standard error.
struct LastLines {
  private static let byteLimit = 8192
  private static let lineLimit = 20
  private var bytes: [UInt8] = []

  mutating func append(_ more: ArraySlice<UInt8>) {
    bytes += more.suffix(Self.byteLimit)
    if bytes.count > 2 * Self.byteLimit { bytes.removeFirst(bytes.count - Self.byteLimit) }
  }

  /// The last lines, in which nothing steers a terminal; empty if nothing was written.
  var text: String {
    let text = String(decoding: bytes.suffix(Self.byteLimit), as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: true).suffix(Self.lineLimit)
    return lines.map { "\n  | " + visible(String($0.unicodeScalars.prefix(400))) }.joined()
  }
}
