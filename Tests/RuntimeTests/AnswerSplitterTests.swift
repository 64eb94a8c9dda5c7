import Testing

import TinaRuntime

@Suite struct AnswerSplitterTests {
  func split(_ text: String, opened: Bool, size: Int) -> (String?, String) {
    var splitter = AnswerSplitter(opened: opened)
    var parts: [AnswerPiece] = []
    var rest = text[...]
    while !rest.isEmpty {
      parts += splitter.append(String(rest.prefix(size)))
      rest = rest.dropFirst(size)
    }
    parts += splitter.finish()
    var reasoning: String?
    var content = ""
    for part in parts {
      switch part {
      case .thinking(let text): reasoning = (reasoning ?? "") + text
      case .answer(let text): content += text
      }
    }
    return (reasoning, content)
  }

  @Test(arguments: [1, 2, 3, 5, 8, 9, 1000])
  func thinkingIsToldApartHoweverTheTextIsCut(size: Int) {
    let cases: [(String, Bool, String?, String)] = [
      ("\n a \n\n b </think>\n\n c \n d \n", true, "a \n\n b", "c \n d \n"),
      ("<think>\n a </th b\n</think>\nc", false, "a </th b", "c"),
      ("  <think>a</think>c", false, "a", "c"),
      ("  no thinking \n", false, nil, "  no thinking \n"),
      (" \n ", false, nil, " \n "),
      ("cut off \n", true, "cut off", ""),
      ("</think>c", true, nil, "c"),
      ("<think>\n\n</think>\n\nc", false, nil, "c"),
      ("a < b and <thin air", false, nil, "a < b and <thin air"),
      ("in<think>a</think>out", false, "a", "inout"),
    ]
    for (text, opened, reasoning, content) in cases {
      let found = split(text, opened: opened, size: size)
      #expect(found.0 == reasoning && found.1 == content, "\(text.debugDescription)")
    }
  }
}
