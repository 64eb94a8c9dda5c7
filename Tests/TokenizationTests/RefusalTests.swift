import Foundation
import TestSupport
import Testing

@testable import Tokenization

/// What reading a tokenizer's fixture says once it is changed; empty if it is read all the same.
func tokenizerRefusal(of name: String, _ change: (String) -> String) throws -> String {
  let source = try String(contentsOfFile: fixture(name), encoding: .utf8)
  let changed = change(source)
  try #require(changed != source, "the change did nothing")
  let folder = TemporaryFolder()
  do {
    _ = try Tokenizer(path: folder.write("tokenizer.json", changed))
    return ""
  } catch { return error.description }
}

/// A tokenizer that would give other ids than the model's own is refused by the name of what differs.
@Suite struct RefusalTests {
  private func refusal(_ change: (String) -> String) throws -> String {
    try tokenizerRefusal(of: "tokenizer.json", change)
  }

  private func replacing(_ a: String, _ b: String) -> (String) -> String {
    { $0.replacingOccurrences(of: a, with: b) }
  }

  @Test func otherModelsAreNamed() throws {
    #expect(try refusal(replacing(#""type": "BPE""#, #""type": "Unigram""#)).contains("Unigram"))
    #expect(try refusal(replacing(#""type": "NFC""#, #""type": "NFKC""#)).contains("NFKC"))
    #expect(try refusal(replacing(#"\\p{N}|"#, #"\\p{N}{1,2}|"#)).contains("pattern"))
    #expect(
      try refusal(replacing(#""byte_fallback": false"#, #""byte_fallback": true"#)).contains("byte_fallback"))
    #expect(try refusal(replacing(#""use_regex": false"#, #""use_regex": true"#)).contains("use_regex"))
  }

  @Test func damageIsAnErrorNeverACrash() throws {
    let source = Array(try String(contentsOfFile: fixture("tokenizer.json"), encoding: .utf8).utf8)
    let folder = TemporaryFolder()
    var random = SeededGenerator(1)
    for round in 0..<60 {
      var bytes = source
      let place = random.below(bytes.count)
      if round % 2 == 0 {
        bytes[place] = UInt8(random.below(256))
      } else {
        bytes.removeLast(place)
      }
      let path = folder.write("tokenizer.json", bytes)
      if let tokenizer = try? Tokenizer(path: path) { _ = tokenizer.encode("1 + 1 = 2") }
    }
  }

  @Test func aMissingFileIsNamed() {
    #expect(throws: TokenizationError.self) { try Tokenizer(directory: "/nowhere") }
    do { _ = try Tokenizer(directory: "/nowhere") } catch {
      #expect(error.description.contains("/nowhere/tokenizer.json"))
    }
  }
}
