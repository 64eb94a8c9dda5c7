import Support

/// Tells a reasoning model's thinking from its answer while the text streams in.
///
/// The thinking lies between `<think>` and `</think>`. A tag may arrive in pieces: text that could begin
/// a tag is held back until more text decides.
package struct ThinkingText: Sendable {
  package struct Piece: Equatable, Sendable {
    package let text: String
    /// Whether it belongs to the thinking, as the tags do.
    package let isThinking: Bool
    /// Whether it is a tag.
    package let isTag: Bool
  }

  package private(set) var isThinking: Bool
  private var held = ""

  /// - Parameter opened: whether the prompt has already opened the thinking.
  package init(opened: Bool) { isThinking = opened }

  /// The pieces that this text completes.
  package mutating func append(_ text: String) -> [Piece] {
    held += text
    var pieces: [Piece] = []
    while true {
      let tag = isThinking ? "</think>" : "<think>"
      guard let range = held.firstRange(ofBytes: tag) else {
        let kept = held.utf8.index(held.endIndex, offsetBy: -held.utf8.overlap(withStartOf: Array(tag.utf8)))
        add(String(held[..<kept]), to: &pieces)
        held = String(held[kept...])
        return pieces
      }
      add(String(held[..<range.lowerBound]), to: &pieces)
      pieces.append(Piece(text: tag, isThinking: true, isTag: true))
      held.removeSubrange(..<range.upperBound)
      isThinking.toggle()
    }
  }

  /// The rest, at the end of the text.
  package mutating func finish() -> [Piece] {
    var pieces: [Piece] = []
    add(held, to: &pieces)
    held = ""
    return pieces
  }

  private func add(_ text: String, to pieces: inout [Piece]) {
    if !text.isEmpty { pieces.append(Piece(text: text, isThinking: isThinking, isTag: false)) }
  }
}
