/// The tokens that a word is before anything merges: one for each byte, or one for each scalar.
struct FirstTokens: Sendable, Equatable {
  enum Unit: Sendable {
    case bytes
    /// A scalar that is no token is spelled by the tokens of its bytes, if the vocabulary has all of them.
    case scalars
  }

  private let unit: Unit
  /// The token of each byte, or -1.
  private let byteTokens: [Int32]
  /// What stands for a text that no token spells; it is left out when nil.
  private let unknown: Int32?
  /// Whether one unknown token stands for several such texts in a row.
  private let fusesUnknown: Bool

  /// The id of the unknown token; nil if there is none.
  var unknownID: Int? { unknown.map { Int($0) } }
  /// Whether nothing is unknown.
  var spellsEveryByte: Bool { byteTokens.allSatisfy { $0 >= 0 } }

  init(
    _ unit: Unit, _ vocabulary: Vocabulary, byteTokens: [Int32]? = nil, unknown: Int? = nil,
    fusesUnknown: Bool = false
  ) {
    self.unit = unit
    self.unknown = unknown.map { Int32($0) }
    self.fusesUnknown = fusesUnknown
    self.byteTokens =
      byteTokens
      ?? (UInt8.min...UInt8.max).map { byte in
        let text = unit == .bytes ? [byte] : Metaspace.spelling(byte)
        return vocabulary.id(text[...]).map { Int32($0) } ?? -1
      }
  }

  /// Replaces `tokens` by those of a word.
  func write(_ word: ArraySlice<UInt8>, _ vocabulary: Vocabulary, into tokens: inout [Int32]) {
    tokens.removeAll(keepingCapacity: true)
    var isUnknown = false
    func add(_ id: Int32, to tokens: inout [Int32]) {
      isUnknown = false
      tokens.append(id)
    }
    func addUnknown(to tokens: inout [Int32]) {
      if let unknown, !(isUnknown && fusesUnknown) { tokens.append(unknown) }
      isUnknown = true
    }
    if unit == .bytes {
      for byte in word {
        let id = byteTokens[Int(byte)]
        if id >= 0 { add(id, to: &tokens) } else { addUnknown(to: &tokens) }
      }
      return
    }
    var start = word.startIndex
    while start < word.endIndex {
      let first = word[start]
      let end = start + (first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4)
      let scalar = word[start..<min(end, word.endIndex)]
      if let id = vocabulary.id(scalar) {
        add(Int32(id), to: &tokens)
      } else if scalar.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
        for byte in scalar { add(byteTokens[Int(byte)], to: &tokens) }
      } else {
        addUnknown(to: &tokens)
      }
      start = end
    }
  }
}
