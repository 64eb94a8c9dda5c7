import Tokenization

/// A piece of an answer as it streams.
public enum AnswerPiece: Sendable, Equatable {
  /// The model thinks.
  case thinking(String)
  /// The model answers.
  case answer(String)

  /// The piece's text, without the tags that tell thinking from answer.
  public var text: String {
    switch self {
    case .thinking(let text), .answer(let text): text
    }
  }
}

/// Divides a chat's answer, as it streams, into thinking and answer, whether the model or the prompt opened the
/// thinking.
///
/// The tags and the white space around them belong to neither. An answer without thinking passes unchanged.
package struct AnswerSplitter: Sendable {
  private var splitter: ThinkingText
  private var held = ""  // white space that may turn out to stand beside a tag
  private var isAtStart = true  // of the thinking, or of the answer
  private var hasThought = false

  /// - Parameter opened: whether the prompt has already opened the thinking.
  package init(opened: Bool) { splitter = ThinkingText(opened: opened) }

  /// Whether the text so far ends inside the thinking.
  package var isThinking: Bool { splitter.isThinking }

  /// The pieces that this text makes certain.
  package mutating func append(_ text: String) -> [AnswerPiece] { pieces(splitter.append(text)) }

  /// What is left at the end.
  package mutating func finish() -> [AnswerPiece] {
    var pieces = pieces(splitter.finish())
    // An answer of nothing but white space.
    if !held.isEmpty, !isThinking, !hasThought { pieces.append(.answer(held)) }
    held = ""
    return pieces
  }

  private mutating func pieces(_ parts: [ThinkingText.Piece]) -> [AnswerPiece] {
    var pieces: [AnswerPiece] = []
    for part in parts {
      if part.isTag {
        held = ""
        hasThought = true
        isAtStart = true
        continue
      }
      var text = held + part.text
      held = ""
      if part.isThinking || hasThought, isAtStart { text = String(text.drop(while: \.isWhitespace)) }
      if part.isThinking || (!hasThought && isAtStart) {
        let end = text.lastIndex { !$0.isWhitespace }.map { text.index(after: $0) } ?? text.startIndex
        held = String(text[end...])
        text = String(text[..<end])
      }
      if text.isEmpty { continue }
      isAtStart = false
      pieces.append(part.isThinking ? .thinking(text) : .answer(text))
    }
    return pieces
  }
}
