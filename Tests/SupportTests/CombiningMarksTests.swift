import Support
import TestSupport
import Testing

@Suite("Texts by their bytes")
struct CombiningMarksTests {
  private let marks = String(repeating: "\u{323}\u{307}", count: 1 << 17)

  @Test("a run of marks that no language has is found, and where")
  func runs() {
    #expect("".longMarkRun == nil && "école".longMarkRun == nil && "한국어 ภาษาไทย".longMarkRun == nil)
    #expect(("ab" + marks).longMarkRun == 2 + 60)
    #expect(("a" + String(repeating: "\u{301}", count: 30) + "b\u{301}").longMarkRun == nil)
    #expect(("a" + String(repeating: "\u{301}", count: 31)).longMarkRun != nil)
    // These have the class of a starter and decompose to marks.
    #expect(("a" + String(repeating: "\u{F73}", count: 31)).longMarkRun != nil)
  }

  @Test("half a megabyte of marks is compared and hashed at once")
  func bytes() {
    let other = marks + "\u{323}"
    let seconds = processorSeconds {
      #expect(!marks.isSame(as: other) && other.begins(with: marks) && !marks.ends(with: other))
      #expect(Set([ByteName(marks), ByteName(other), ByteName(marks)]).count == 2)
      #expect(other.lastRange(ofBytes: "x") == nil && other.firstRange(ofBytes: "x") == nil)
    }
    #expect(seconds < 10)
    #expect(ByteName("\u{e9}") != ByteName("e\u{301}"))
  }

  @Test("ranges of bytes: first, last, none")
  func ranges() throws {
    let text = "aXXbXXc"
    let first = try #require(text.firstRange(ofBytes: "XX"))
    let last = try #require(text.lastRange(ofBytes: "XX"))
    #expect(text[..<first.lowerBound] == "a" && text[last.upperBound...] == "c")
    #expect(text.firstRange(ofBytes: "") == nil && "X".lastRange(ofBytes: "XX") == nil)
    #expect(text[last.upperBound...].firstRange(ofBytes: "c") != nil)
  }
}
