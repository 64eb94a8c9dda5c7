/// What a text becomes before added tokens are looked for a second time.
enum Normalizer: Sendable, Equatable {
  case none
  /// Unicode's normal form C.
  case nfc
  /// SentencePiece's spelling.
  case metaspace(Metaspace.Prefix)

  /// A short text in this form, as added tokens are compared in it.
  func form(_ text: [UInt8]) -> [UInt8] {
    switch self {
    case .none: text
    case .nfc: NormalForm.composed(text[...])
    case .metaspace(let prefix):
      text.isEmpty ? text : (prefix == .always ? Metaspace.mark : []) + Metaspace.marked(text[...])
    }
  }
}

/// How the texts of tokens become a text.
enum TokenSpelling: Sendable, Equatable {
  /// In GPT-2's alphabet.
  case byteLevel
  /// In SentencePiece's; the space that every text begins with may be left out.
  case metaspace(dropsFirstSpace: Bool)
}
