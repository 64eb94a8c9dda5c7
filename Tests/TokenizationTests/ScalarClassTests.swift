import Testing

@testable import Tokenization

@Suite struct ScalarClassTests {
  @Test func lettersNumbersAndSpacesAreDistinguished() {
    for letter in "aÉ中가ʰ".unicodeScalars { #expect(ScalarClass(letter).isLetter) }
    for number in "7²Ⅻ٣".unicodeScalars { #expect(ScalarClass(number).isNumber) }
    for space in " \u{A0}\u{2028}\n".unicodeScalars { #expect(ScalarClass(space).isSpace) }
    for other in "'+\u{301}€".unicodeScalars { #expect(ScalarClass(other).isOther) }
  }

  /// Letters that Unicode 17 brought: the reference knows version 16.
  @Test(arguments: ["\u{A7CE}", "\u{18DA6}", "\u{323B0}"] as [Unicode.Scalar])
  func lettersNewerThanTheReferencesUnicodeAreNone(scalar: Unicode.Scalar) {
    #expect(ScalarClass(scalar).isOther)
  }
}
