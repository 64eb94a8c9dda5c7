import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Tokenization

/// Normal form C in linear time.
@Suite struct NormalFormTests {
  private func reference(_ text: String) -> [UInt8] { Array(text.precomposedStringWithCanonicalMapping.utf8) }

  private func form(_ text: String) -> [UInt8] { NormalForm.composed(Array(text.utf8)[...]) }

  /// Against Python's unicodedata (tools/golden/normal_forms.py).
  @Test func textsHaveTheReferencesForm() throws {
    let cases = try #require(try JSON.parse(path: fixture("normal-forms.json")).array)
    #expect(cases.count == 400)
    for item in cases {
      let texts = (item.array ?? []).map { list in
        String(
          String.UnicodeScalarView(
            (list.array ?? []).compactMap { $0.int.flatMap { Unicode.Scalar(UInt32($0)) } }))
      }
      #expect(form(texts[0]) == Array(texts[1].utf8), "\(texts[0].unicodeScalars.map { $0.value })")
    }
  }

  /// Texts are cut before these scalars, so none of them may stand behind the first in what a scalar decomposes to.
  @Test func whatBeginsASegmentComposesWithNothingBeforeIt() {
    for value in UInt32(0xA0)..<0x30000 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let parts = String(scalar).decomposedStringWithCanonicalMapping.unicodeScalars
      for part in parts.dropFirst() where part.beginsSegment {
        Issue.record("\(scalar.value): \(part.value)")
      }
      if form(String(scalar)) != reference(String(scalar)) { Issue.record("\(scalar.value)") }
    }
  }

  @Test(arguments: [
    "\u{323}\u{307}", "\u{307}", "\u{F73}", "\u{344}", "\u{1D165}", "か\u{3099}", "\u{958}", "\u{9C7}\u{9BE}",
    "\u{1100}\u{1161}\u{11A8}",
    "é", "한", "e\u{302}\u{323}", "\u{212B}",
  ])
  func aMegabyteOfMarksTakesLessThanASecond(mark: String) {
    let text = Array(("o" + String(repeating: mark, count: (1 << 20) / mark.utf8.count) + "한x").utf8)
    var result: [UInt8] = []
    let seconds = processorSeconds { result = NormalForm.composed(text[...]) }
    #expect(seconds < 10)
    #expect(result.count > 1 << 18)
  }
}

/// Prompts that only exist to take time.
@Suite struct HostilePromptTests {
  let tokenizer: Tokenizer

  init() throws { tokenizer = try Tokenizer(path: Checkout.path("Models/pico/tokenizer.json")) }

  @Test(arguments: [
    "\u{323}\u{307}", "a", " ", "\n ", "'s", "é", "한", "\u{200D}", "🇩", "<", "<｜User｜", "ab\u{301}",
    "\u{FE0F}", "1",
  ])
  func aMegabyteOfOneThingIsEncodedInTime(piece: String) {
    let text = String(repeating: piece, count: (1 << 20) / piece.utf8.count)
    var ids: [Int] = []
    let seconds = processorSeconds { ids = tokenizer.encode(text) }
    #expect(seconds < 10 && !ids.isEmpty)
  }

  @Test func encodingStopsWhenItIsCancelled() {
    for piece in ["a ", "\u{323}", "한"] {
      let text = TextPart(String(repeating: piece, count: 1 << 20), .none)
      var asked = 0
      #expect(throws: CancellationError.self) {
        try tokenizer.encode([text]) {
          asked += 1
          return asked > 1
        }
      }
      #expect(asked == 2)
    }
  }

  @Test func thinkingIsFoundAmongMarks() {
    var splitter = ThinkingText(opened: false)
    let marks = String(repeating: "\u{323}\u{307}", count: 1 << 16)
    let seconds = processorSeconds {
      let pieces = splitter.append("<think>" + marks + "</think>x") + splitter.finish()
      #expect(pieces.map(\.isTag) == [true, false, true, false])
    }
    #expect(seconds < 10)
  }
}
