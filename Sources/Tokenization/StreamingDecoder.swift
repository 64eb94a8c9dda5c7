/// Decodes ids one by one. Its results together equal what `decode` returns for all ids; none ends within a
/// character.
public struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipSpecialTokens: Bool
  /// Whether a space at the beginning is left out.
  private var dropsSpace: Bool
  /// The bytes of an incomplete character; for SentencePiece's tokens a run of bytes.
  private var held: [UInt8] = []

  init(tokenizer: Tokenizer, skipSpecialTokens: Bool, dropsSpace: Bool) {
    self.tokenizer = tokenizer
    self.skipSpecialTokens = skipSpecialTokens
    self.dropsSpace = dropsSpace
  }

  /// The text that this id completes; may be empty.
  public mutating func append(_ id: Int) -> String {
    if tokenizer.isByteLevel {
      tokenizer.append(id, to: &held, skipSpecialTokens)
      let complete = held.count - incompleteTail()
      let text = String(decoding: held[..<complete], as: UTF8.self)
      held.removeFirst(complete)
      return text
    }
    var token: [UInt8] = []
    tokenizer.append(id, to: &token, skipSpecialTokens)
    if token.isEmpty { return "" }
    if tokenizer.spellsByte(id) {
      held += token
      return ""
    }
    return begun(heldBytes() + String(decoding: token, as: UTF8.self))
  }

  /// The rest: an incomplete character, as U+FFFD.
  public mutating func finish() -> String {
    if tokenizer.isByteLevel {
      defer { held = [] }
      return String(decoding: held, as: UTF8.self)
    }
    return begun(heldBytes())
  }

  /// A run of bytes; each of them is U+FFFD unless all together are UTF-8, as in the reference.
  private mutating func heldBytes() -> String {
    if held.isEmpty { return "" }
    defer { held = [] }
    let text = String(decoding: held, as: UTF8.self)
    return text.utf8.elementsEqual(held) ? text : String(repeating: "\u{FFFD}", count: held.count)
  }

  private mutating func begun(_ text: String) -> String {
    guard dropsSpace, !text.utf8.isEmpty else { return text }
    dropsSpace = false
    return text.utf8.first == UInt8(ascii: " ") ? String(text.unicodeScalars.dropFirst()) : text
  }

  /// How many bytes at the end begin a character that more bytes could complete.
  private func incompleteTail() -> Int {
    for back in 1...3 where back <= held.count {
      let byte = held[held.count - back]
      if byte & 0xC0 == 0x80 { continue }
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
      return length > back ? back : 0
    }
    return 0
  }
}
