/// SentencePiece's spelling of texts: a space is `▁`, and a byte that belongs to no other token is `<0x…>`.
enum Metaspace {
  /// `▁`, U+2581.
  static let mark: [UInt8] = [0xE2, 0x96, 0x81]

  /// When a `▁` comes before a text.
  enum Prefix: Sendable, Equatable {
    case never
    case always
    /// Unless the text begins with one.
    case unlessThere
    /// As before, but only where nothing at all comes before the text.
    case unlessThereAtStart
  }

  /// Where a piece stands.
  enum Place {
    /// Nothing comes before it.
    case start
    /// An added token comes before it.
    case within
    /// It goes on from a text that is known elsewhere.
    case continued
  }

  /// Bytes with `▁` for each space.
  static func marked(_ text: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count + text.count / 2)
    for byte in text {
      if byte == UInt8(ascii: " ") { result += mark } else { result.append(byte) }
    }
    return result
  }

  /// Bytes with a space for each `▁`.
  static func spaced(_ text: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var i = text.startIndex
    while i < text.endIndex {
      if text[i] == mark[0], text[i...].starts(with: mark) {
        result.append(UInt8(ascii: " "))
        i += mark.count
      } else {
        result.append(text[i])
        i += 1
      }
    }
    return result
  }

  /// `<0x…>` of a byte.
  static func spelling(_ byte: UInt8) -> [UInt8] {
    let digits = Array("0123456789ABCDEF".utf8)
    return Array("<0x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)], UInt8(ascii: ">")]
  }

  /// The byte that a token spells; nil for any other token.
  static func byte(_ token: ArraySlice<UInt8>) -> UInt8? {
    guard token.count == 6, token.starts(with: "<0x".utf8), token.last == UInt8(ascii: ">") else {
      return nil
    }
    return UInt8(String(decoding: token.dropFirst(3).dropLast(), as: UTF8.self), radix: 16)
  }

  /// A piece of a text, spelled part by part.
  static func spelled(_ text: JoinedText, _ range: Range<Int>, _ prefix: Prefix, _ place: Place) -> JoinedText
  {
    var result = JoinedText()
    for (index, piece) in text.pieces(range).enumerated() {
      var bytes = marked(text.bytes[piece.range])
      if index == 0, hasPrefix(bytes, prefix, place) { bytes = mark + bytes }
      result.append(bytes, piece.use)
    }
    return result
  }

  private static func hasPrefix(_ text: [UInt8], _ prefix: Prefix, _ place: Place) -> Bool {
    switch prefix {
    case _ where place == .continued: false
    case .never: false
    case .always: true
    case .unlessThere: !text.starts(with: mark)
    case .unlessThereAtStart: place == .start && !text.starts(with: mark)
    }
  }
}
