import Tokenization

/// Shows an answer to a person as it streams: the thinking dimmed, or hidden.
struct AnswerPrinter {
  let hidesThinking: Bool
  private var splitter: ThinkingText
  private var thoughtCharacters = 0
  private var hasAnswer = false
  private var lastIsNewline = true

  init(thinkingIsOpen: Bool, hidesThinking: Bool) {
    self.hidesThinking = hidesThinking
    splitter = ThinkingText(opened: thinkingIsOpen)
  }

  mutating func append(_ text: String) throws { try show(splitter.append(text)) }

  /// Ends the last line. Says so when the model only thought.
  mutating func finish() throws {
    try show(splitter.finish())
    if hidesThinking, !hasAnswer, thoughtCharacters > 0 {
      Terminal.progress("")
      Terminal.note("The model was still thinking when it ended (see it without --hide-thinking).")
    }
    if !lastIsNewline { try Terminal.write("\n") }
  }

  private mutating func show(_ pieces: [ThinkingText.Piece]) throws {
    for piece in pieces {
      if piece.isThinking, hidesThinking {
        thoughtCharacters += piece.text.count
        Terminal.progress("thinking … \(thoughtCharacters) characters")
        continue
      }
      var text = piece.text
      if hidesThinking, !hasAnswer {
        // The blank lines between thinking and answer belong to neither.
        text = String(text.drop { $0.isWhitespace })
        if text.isEmpty { continue }
        Terminal.progress("")
      }
      hasAnswer = hasAnswer || !piece.isThinking
      lastIsNewline = text.hasSuffix("\n")
      try Terminal.write(text, piece.isThinking ? .dimmed : .plain)
    }
  }
}
