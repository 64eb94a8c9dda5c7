/// Puts together what a terminal pastes: everything up to the mark of its end, however it arrives.
package struct PastedText {
  private var bytes: [UInt8] = []
  /// What a terminal sends behind a pasted text.
  private static let end: [UInt8] = Array("\u{1B}[201~".utf8)

  package init() {}

  /// Takes a byte. True at the last one of the paste.
  package mutating func append(_ byte: UInt8) -> Bool {
    bytes.append(byte)
    guard byte == Self.end.last, bytes.suffix(Self.end.count).elementsEqual(Self.end) else { return false }
    bytes.removeLast(Self.end.count)
    return true
  }

  /// The text: lines end in "\n", and nothing is left of characters that would steer a terminal.
  package var text: String {
    var result = String.UnicodeScalarView()
    var last: Unicode.Scalar = " "
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
      switch scalar {
      case "\r": result.append("\n")
      case "\n": if last != "\r" { result.append("\n") }
      case "\t": result.append("\t")
      default: if scalar.properties.generalCategory != .control { result.append(scalar) }
      }
      last = scalar
    }
    return String(result)
  }
}
