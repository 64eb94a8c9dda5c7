import Testing

@testable import Tokenization

@Suite struct ThinkingTextTests {
  /// Thinking and answer of a text that arrives in pieces of `size` characters.
  func split(_ text: String, opened: Bool, size: Int) -> (thinking: String, answer: String) {
    var splitter = ThinkingText(opened: opened)
    var rest = text[...]
    var pieces: [ThinkingText.Piece] = []
    while !rest.isEmpty {
      pieces += splitter.append(String(rest.prefix(size)))
      rest = rest.dropFirst(size)
    }
    pieces += splitter.finish()
    return (
      pieces.filter(\.isThinking).map(\.text).joined(), pieces.filter { !$0.isThinking }.map(\.text).joined()
    )
  }

  @Test(arguments: [1, 2, 3, 7, 8, 9, 100])
  func tagsAreFoundHoweverTheTextIsCut(size: Int) {
    let text = "<think>\n1 < 2 </th no\n</think>\nThree <b."
    #expect(split(text, opened: false, size: size) == ("<think>\n1 < 2 </th no\n</think>", "\nThree <b."))
    let opened = "1 < 2\n</think>\nThree <thin"
    #expect(split(opened, opened: true, size: size) == ("1 < 2\n</think>", "\nThree <thin"))
  }

  @Test func textWithoutTagsIsOneOrTheOther() {
    #expect(split("Plain.", opened: false, size: 1) == ("", "Plain."))
    #expect(split("Plain.", opened: true, size: 1) == ("Plain.", ""))
  }
}
