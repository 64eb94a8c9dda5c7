/// Tells a reasoning model's thinking from its answer while the text streams in.
///
/// The thinking lies between `<think>` and `</think>`; the tags belong to it. A tag may arrive in pieces:
/// text that could be the beginning of one is held back until it is decided.
struct ThinkingText {
  struct Piece: Equatable {
    let text: String
    let isThinking: Bool
  }

  private(set) var isThinking: Bool
  private var held = ""

  /// - Parameter opened: whether the prompt has already opened the thinking.
  init(opened: Bool) { isThinking = opened }

  mutating func append(_ text: String) -> [Piece] {
    held += text
    var pieces: [Piece] = []
    while true {
      let tag = isThinking ? "</think>" : "<think>"
      if let range = held.firstRange(of: tag) {
        // Either way the tag itself is part of the thinking.
        let end = isThinking ? range.upperBound : range.lowerBound
        add(String(held[..<end]), to: &pieces)
        if !isThinking { pieces.append(Piece(text: tag, isThinking: true)) }
        held.removeSubrange(..<range.upperBound)
        isThinking.toggle()
      } else {
        let keep = Self.overlap(of: held, with: tag)
        add(String(held.dropLast(keep)), to: &pieces)
        held = String(held.suffix(keep))
        return pieces
      }
    }
  }

  mutating func finish() -> [Piece] {
    var pieces: [Piece] = []
    add(held, to: &pieces)
    held = ""
    return pieces
  }

  private func add(_ text: String, to pieces: inout [Piece]) {
    if !text.isEmpty { pieces.append(Piece(text: text, isThinking: isThinking)) }
  }

  /// How many of the last characters of `text` could begin `tag`.
  private static func overlap(of text: String, with tag: String) -> Int {
    for count in stride(from: min(text.count, tag.count - 1), to: 0, by: -1)
    where text.hasSuffix(tag.prefix(count)) {
      return count
    }
    return 0
  }
}
