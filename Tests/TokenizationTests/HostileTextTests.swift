import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Tokenization

/// Normal form C in linear time, with the same result as Foundation's.
@Suite struct NormalFormTests {
  private func reference(_ text: String) -> [UInt8] { Array(text.precomposedStringWithCanonicalMapping.utf8) }

  private func form(_ text: String) -> [UInt8] { NormalForm.composed(Array(text.utf8)[...]) }

  /// Starters that compose, marks of many classes, Hangul, exclusions, singletons, and what decomposes to marks alone.
  private static let scalars: [Unicode.Scalar] = [
    "a", "e", "o", "u", "A", " ", "\u{E9}", "\u{1EBF}", "\u{1EAD}", "\u{1ED9}", "\u{C5}", "\u{212B}", "\u{FB01}",
    "\u{D55C}", "\u{1100}", "\u{1161}", "\u{11A8}", "\u{AC00}", "\u{915}", "\u{93C}", "\u{958}", "\u{9C7}",
    "\u{9BE}", "\u{301}", "\u{302}", "\u{307}", "\u{308}", "\u{323}", "\u{327}", "\u{31B}", "\u{338}",
    "\u{344}", "\u{340}", "\u{F71}", "\u{F72}", "\u{F73}", "\u{F75}", "\u{3099}", "\u{304B}", "\u{D1}",
    "\u{1D15E}", "\u{1D165}", "\u{1D16E}", "\u{5B0}", "\u{5C1}", "\u{FB2A}", "\u{200D}", "\u{1F1E9}",
  ]

  @Test func randomTextsAreNormalisedAsFoundationDoes() {
    var dice = SeededGenerator(3)
    for i in 0..<3000 {
      var text = String.UnicodeScalarView()
      for _ in 0..<dice.below(40) { text.append(Self.scalars[dice.below(Self.scalars.count)]) }
      // A run that Foundation still does in time, and the composer must do.
      if i % 3 == 0 {
        for _ in 0..<70 + dice.below(60) {
          let mark = Self.scalars[23 + dice.below(15)]
          if mark.isCombining { text.append(mark) }
        }
        for _ in 0..<dice.below(6) { text.append(Self.scalars[dice.below(Self.scalars.count)]) }
      }
      let string = String(text)
      #expect(form(string) == reference(string), "\(string.unicodeScalars.map { $0.value })")
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
    #expect(ContinuousClock().measure { result = NormalForm.composed(text[...]) } < .seconds(2))
    #expect(result.count > 1 << 19)
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
    #expect(ContinuousClock().measure { #expect(!tokenizer.encode(text).isEmpty) } < .seconds(4))
  }

  @Test func encodingStopsWhenItIsCancelled() {
    for piece in ["a", "a ", "\u{323}", "한"] {
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
    let time = ContinuousClock().measure {
      let pieces = splitter.append("<think>" + marks + "</think>x") + splitter.finish()
      #expect(pieces.map(\.isTag) == [true, false, true, false])
    }
    #expect(time < .seconds(1))
  }
}
