import Foundation
import Testing

@testable import Tokenization

/// A tokenizer that would give other ids than the model's own is refused by the name of what differs.
@Suite struct RefusalTests {
  private func refusal(_ change: (String) -> String) throws -> String {
    let source = try String(contentsOfFile: fixture("tokenizer.json"), encoding: .utf8)
    let changed = change(source)
    try #require(changed != source, "the change did nothing")
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(
      "tokenizer-\(UUID().uuidString).json")
    try changed.write(to: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: path) }
    do {
      _ = try Tokenizer(path: path.path)
      return ""
    } catch { return error.description }
  }

  private func replacing(_ a: String, _ b: String) -> (String) -> String {
    { $0.replacingOccurrences(of: a, with: b) }
  }

  @Test func otherModelsAreNamed() throws {
    #expect(try refusal(replacing(#""type": "BPE""#, #""type": "Unigram""#)).contains("Unigram"))
    #expect(try refusal(replacing(#""type": "NFC""#, #""type": "NFKC""#)).contains("NFKC"))
    #expect(try refusal(replacing(#"\\p{N}|"#, #"\\p{N}{1,3}|"#)).contains("pattern"))
    #expect(
      try refusal(replacing(#""byte_fallback": false"#, #""byte_fallback": true"#)).contains("byte_fallback"))
    #expect(try refusal(replacing(#""use_regex": false"#, #""use_regex": true"#)).contains("use_regex"))
  }

  @Test func damageIsAnErrorNeverACrash() throws {
    let source = Array(try String(contentsOfFile: fixture("tokenizer.json"), encoding: .utf8).utf8)
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(
      "tokenizer-\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: path) }
    var state: UInt64 = 1
    for round in 0..<60 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      var bytes = source
      let place = Int(state >> 33) % bytes.count
      if round % 2 == 0 {
        bytes[place] = UInt8(truncatingIfNeeded: state >> 20)
      } else {
        bytes.removeLast(place)
      }
      try Data(bytes).write(to: path)
      if let tokenizer = try? Tokenizer(path: path.path) { _ = tokenizer.encode("1 + 1 = 2") }
    }
  }

  @Test func aMissingFileIsNamed() {
    #expect(throws: TokenizationError.self) { try Tokenizer(directory: "/nowhere") }
    do { _ = try Tokenizer(directory: "/nowhere") } catch {
      #expect(error.description.contains("/nowhere/tokenizer.json"))
    }
  }
}
