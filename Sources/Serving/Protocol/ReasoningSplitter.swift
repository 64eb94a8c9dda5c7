import Tokenization

/// Divides a chat's answer, as it streams, into what is thought and what is said, whether the model or the
/// prompt opened the thinking.
///
/// The tags and the blank space around them belong to neither. An answer without thinking is passed on as it
/// is.
struct ReasoningSplitter: Sendable {
  enum Part: Sendable, Equatable {
    case reasoning(String)
    case content(String)
  }

  private var splitter: ThinkingText
  private var held = ""  // blank space that may turn out to lie beside a tag
  private var isAtStart = true  // of the reasoning, or of the content

  /// - Parameter opened: whether the prompt has already opened the thinking.
  init(opened: Bool) { splitter = ThinkingText(opened: opened) }

  /// Whether the text so far ends inside the thinking.
  var isThinking: Bool { splitter.isThinking }

  mutating func append(_ text: String) -> [Part] { parts(splitter.append(text)) }

  /// What is left at the end.
  mutating func finish() -> [Part] {
    var parts = parts(splitter.finish())
    // An answer of nothing but blank space.
    if !held.isEmpty, !isThinking, !hasThought { parts.append(.content(held)) }
    held = ""
    return parts
  }

  private var hasThought = false

  private mutating func parts(_ pieces: [ThinkingText.Piece]) -> [Part] {
    var parts: [Part] = []
    for piece in pieces {
      if piece.isTag {
        held = ""
        hasThought = true
        isAtStart = true
        continue
      }
      var text = held + piece.text
      held = ""
      if piece.isThinking || hasThought, isAtStart { text = String(text.drop(while: \.isWhitespace)) }
      if piece.isThinking || (!hasThought && isAtStart) {
        let end = text.lastIndex { !$0.isWhitespace }.map { text.index(after: $0) } ?? text.startIndex
        held = String(text[end...])
        text = String(text[..<end])
      }
      if text.isEmpty { continue }
      isAtStart = false
      parts.append(piece.isThinking ? .reasoning(text) : .content(text))
    }
    return parts
  }
}
