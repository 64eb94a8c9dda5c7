import Foundation
import Testing

@testable import TerminalChat

@Suite struct EditingTests {
  private func pasted(_ text: String) -> String? {
    var paste = PastedText()
    let bytes = Array(text.utf8)
    for (i, byte) in bytes.enumerated() where paste.append(byte) {
      return i + 1 == bytes.count ? paste.text : nil
    }
    return nil
  }

  @Test func aPasteEndsAtItsMarkAndKeepsItsLines() {
    #expect(pasted("one\rtwo\r\nthree\n\tfour\u{1B}[201~") == "one\ntwo\nthree\n\tfour")
    #expect(pasted("no end") == nil)
  }

  @Test func aPasteOf20000CharactersIsWhole() {
    let text = String((0..<20_000).map { Character(Unicode.Scalar(UInt8(32 + $0 % 95))) }) + "é日本🙂"
    #expect(pasted(text + "\u{1B}[201~") == text)
  }

  @Test func aPasteSteersNoTerminal() {
    #expect(pasted("a\u{1B}[31mb\u{7}\u{0}c\u{9B}d\u{1B}[201~") == "a[31mbcd")
  }

  @Test func quotesHoldLines() {
    #expect(
      TripleQuotes.isOpen("\"\"\"one") && TripleQuotes.isOpen("  \"\"\"one\ntwo")
        && TripleQuotes.isOpen("\"\"\""))
    #expect(!TripleQuotes.isOpen("\"\"\"one\ntwo\"\"\"") && !TripleQuotes.isOpen("one \"\"\" two"))
    #expect(TripleQuotes.content(of: "\"\"\"\none\n  two\n\"\"\" ") == "one\n  two")
    #expect(
      TripleQuotes.content(of: " plain ") == "plain" && TripleQuotes.content(of: "\"\"\"\"\"\"").isEmpty)
  }

  @Test func recallKeepsTheDraft() {
    var recall = Recall(["a", "b"])
    #expect(
      recall.back(from: "draft") == "b" && recall.back(from: "b") == "a" && recall.back(from: "a") == nil)
    #expect(recall.forward() == "b" && recall.forward() == "draft" && recall.forward() == nil)
    recall.add("b")
    #expect(recall.entries == ["a", "b"])
  }

  @Test func cursorsMoveBetweenLines() {
    let text = Array("abcd\nef\nghij".unicodeScalars)
    #expect(LineMotion.place(from: 11, in: text, up: true) == 7)
    #expect(LineMotion.place(from: 7, in: text, up: true) == 2)
    #expect(LineMotion.place(from: 2, in: text, up: true) == nil)
    #expect(LineMotion.place(from: 3, in: text, up: false) == 7)
    #expect(LineMotion.place(from: 6, in: text, up: false) == 9)
    #expect(LineMotion.place(from: 12, in: text, up: false) == nil)
  }

  @Test func theKeyboardGivesCharactersAndWakes() throws {
    var ends: [Int32] = [0, 0]
    #expect(unsafe pipe(&ends) == 0)
    let keyboard = Keyboard(input: ends[0])
    func type(_ bytes: [UInt8]) {
      _ = unsafe bytes.withUnsafeBytes { unsafe write(ends[1], $0.baseAddress, $0.count) }
    }
    type(Array("é日🙂".utf8) + [0xFF, 0x61])
    var scalars: [Unicode.Scalar] = []
    for _ in 0..<5 { scalars.append(try #require(keyboard.nextScalar().scalar)) }
    #expect(scalars == ["é", "日", "🙂", "\u{FFFD}", "a"])
    keyboard.wake(.interrupt)
    guard case .woken(.interrupt) = keyboard.next() else {
      return #expect(Bool(false), "the wait did not end")
    }
    // More than a terminal holds is collected, and comes later.
    keyboard.collect()
    type([UInt8](repeating: 0x62, count: 60_000))
    type([0x0A])
    keyboard.stopCollecting()
    var count = 0
    while case .byte(0x62) = keyboard.next() { count += 1 }
    #expect(count == 60_000)
    close(ends[1])
    guard case .end = keyboard.next() else { return #expect(Bool(false), "the end did not show") }
    close(ends[0])
  }
}
