// Swift compares and hashes strings by canonical equivalence, and its normalisation takes time quadratic in a run of
// combining marks. So names from outside are bounded before anything looks at them.

extension Unicode.Scalar {
  /// Whether normalisation may sort it among its neighbours: a combining mark, or what decomposes into marks alone.
  package var isCombining: Bool {
    switch value {
    // Looking a property up takes longer: these have none.
    case ..<0x300, 0x2000..<0x20D0, 0x2100..<0x2CEF, 0x2E80..<0x302A, 0x3030..<0x3099, 0x30A0..<0xA66F,
      0xAC00..<0xFB1E:
      false
    case 0x0F73, 0x0F75, 0x0F81: true
    default: properties.canonicalCombiningClass != .notReordered
    }
  }
}

extension StringProtocol {
  /// Where more combining marks follow each other than Unicode's stream-safe format allows, as an offset in UTF-8; nil
  /// for a text of any language. A text without such a run is compared, hashed and normalised in linear time.
  package var longMarkRun: Int? {
    // Below U+0300, lead bytes end at 0xCB.
    guard utf8.contains(where: { $0 >= 0xCC }) else { return nil }
    var offset = 0
    var count = 0
    for scalar in unicodeScalars {
      count = scalar.isCombining ? count + 1 : 0
      if count > 30 { return offset }
      offset += UTF8.width(scalar)
    }
    return nil
  }

  /// Whether it holds the same bytes as another text, in time linear in the shorter one.
  package func isSame(as other: some StringProtocol) -> Bool { utf8.elementsEqual(other.utf8) }

  /// Whether its bytes begin with those of another text.
  package func begins(with other: some StringProtocol) -> Bool { utf8.starts(with: other.utf8) }

  /// Whether its bytes end in those of another text.
  package func ends(with other: some StringProtocol) -> Bool {
    utf8.suffix(other.utf8.count).elementsEqual(other.utf8)
  }
}

/// A text that equals another if and only if their bytes are equal, for dictionaries and sets.
package struct ByteName: Hashable, Sendable {
  package let text: String

  package init(_ text: some StringProtocol) { self.text = String(text) }

  package static func == (a: ByteName, b: ByteName) -> Bool { a.text.isSame(as: b.text) }

  package func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}
