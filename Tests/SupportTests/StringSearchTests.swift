import Support
import TestSupport
import Testing

struct StringSearchTests {
  /// Words of two letters overlap themselves in every way that words do.
  @Test func theOverlapIsTheLongestEndThatBeginsTheOther() {
    var random = SeededGenerator(7)
    func word(_ longest: Int) -> [UInt8] {
      (0..<Int.random(in: 0...longest, using: &random)).map { _ in UInt8.random(in: 0...1, using: &random) }
    }
    for _ in 0..<5000 {
      let held = word(12)
      let text = word(8)
      var longest = 0
      for count in 0..<max(1, text.count) where held.count >= count {
        if held.suffix(count) == text.prefix(count) { longest = count }
      }
      #expect(held.overlap(withStartOf: text) == longest)
    }
  }

  @Test(arguments: [
    ("a.b.c", ".", "", "abc"), ("aaaa", "aa", "b", "bb"), ("aaa", "aa", "b", "ba"), ("", "a", "b", ""),
    ("a", "", "b", "a"), ("e\u{301}", "e", "o", "o\u{301}"),
  ])
  func bytesAreReplaced(text: String, old: String, new: String, expected: String) {
    let result = text.replacing(bytesOf: old, with: new)
    #expect(result.utf8.elementsEqual(expected.utf8))
  }
}
