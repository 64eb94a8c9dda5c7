// Texts from clients are compared as bytes. Swift's own comparison, hash and case mapping look at whole characters,
// which takes time quadratic in a run of combining marks.
extension StringProtocol {
  /// Whether both have the same bytes, ASCII letters of either case taken for one.
  func isSameIgnoringCase(_ other: some StringProtocol) -> Bool {
    utf8.count == other.utf8.count && zip(utf8, other.utf8).allSatisfy { $0.inLowerCase == $1.inLowerCase }
  }

  /// Whether it begins with these bytes, ASCII letters of either case taken for one.
  func beginsIgnoringCase(_ other: some StringProtocol) -> Bool {
    utf8.count >= other.utf8.count && zip(utf8, other.utf8).allSatisfy { $0.inLowerCase == $1.inLowerCase }
  }

  /// The text with ASCII letters in lower case.
  var inLowerCase: String { String(decoding: utf8.map(\.inLowerCase), as: UTF8.self) }

  /// The text without the blanks and tabs around it.
  var withoutBlanks: String {
    let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
    let tail = Array(utf8).drop(while: isBlank)
    guard let last = tail.lastIndex(where: { !isBlank($0) }) else { return "" }
    return String(decoding: tail[...last], as: UTF8.self)
  }

  /// The parts between these bytes.
  func parts(between separator: UInt8) -> [String] {
    utf8.split(separator: separator, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
  }
}

extension UInt8 {
  /// The byte of the ASCII letter in lower case; any other byte itself.
  fileprivate var inLowerCase: UInt8 { (0x41...0x5A).contains(self) ? self | 0x20 : self }
}
