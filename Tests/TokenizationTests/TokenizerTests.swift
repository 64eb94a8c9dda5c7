import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Tokenization

/// Against Hugging Face tokenizers (tools/golden/tokenizer.py).
@Suite struct TokenizerTests {
  let tokenizer: Tokenizer
  let golden: [JSONObject]

  init() throws {
    tokenizer = try Tokenizer(path: fixture("tokenizer.json"))
    golden = try JSON.parse(path: fixture("golden.json")).array?.compactMap(\.object) ?? []
  }

  private func ids(_ value: JSONValue?) -> [Int] { value?.array?.compactMap(\.int) ?? [] }

  /// Swift compares strings by canonical equivalence; here the bytes count.
  private func same(_ a: String, _ b: String?) -> Bool { b.map { Array(a.utf8) == Array($0.utf8) } ?? false }

  @Test func textsGiveTheReferencesIDs() {
    let cases = golden.filter { $0["text"] != nil }
    #expect(cases.count > 200)
    for item in cases {
      let text = item["text"]?.string ?? ""
      #expect(tokenizer.encode(text) == ids(item["ids"]), "\(quoted(text))")
    }
  }

  @Test func malformedBytesAreReplacedAsPythonReplacesThem() {
    let cases = golden.filter { $0["bytes"] != nil }
    #expect(cases.count > 40)
    for item in cases {
      let bytes = ids(item["bytes"]).map { UInt8($0) }
      #expect(tokenizer.encode(utf8: bytes) == ids(item["ids"]), "\(bytes)")
    }
  }

  @Test func decodingGivesTheReferencesTexts() {
    for item in golden {
      let list = ids(item["ids"] ?? item["decode"])
      #expect(same(tokenizer.decode(list), item["decoded"]?.string), "\(list)")
      if let skipped = item["skipped"]?.string {
        #expect(same(tokenizer.decode(list, skipSpecialTokens: true), skipped), "\(list)")
      }
    }
  }

  @Test func streamingGivesTheSameTextInWholeCharacters() {
    for item in golden {
      let list = ids(item["ids"] ?? item["decode"])
      for skips in [false, true] {
        var decoder = tokenizer.streamingDecoder(skipSpecialTokens: skips)
        var text = ""
        for id in list { text.unicodeScalars.append(contentsOf: decoder.append(id).unicodeScalars) }
        text.unicodeScalars.append(contentsOf: decoder.finish().unicodeScalars)
        #expect(same(text, tokenizer.decode(list, skipSpecialTokens: skips)), "\(list)")
      }
    }
  }

  @Test func halfACharacterIsHeldBack() {
    var decoder = tokenizer.streamingDecoder()
    let bytes = Array("é".utf8).compactMap { byte in
      (0..<tokenizer.idCount).first { tokenizer.decode([$0]) == "\u{FFFD}" && self.bytes(of: $0) == [byte] }
    }
    #expect(bytes.count == 2)
    #expect(decoder.append(bytes[0]) == "")
    #expect(decoder.append(bytes[1]) == "é")
    _ = decoder.append(bytes[0])
    #expect(decoder.finish() == "\u{FFFD}")
  }

  private func bytes(of id: Int) -> [UInt8] {
    var result: [UInt8] = []
    tokenizer.append(id, to: &result, false)
    return result
  }

  @Test func specialTokensCanBeLeftOut() {
    let with = tokenizer.encode("hello")
    #expect(with.first == tokenizer.id(of: "<｜begin▁of▁sentence｜>"))
    #expect(tokenizer.encode("hello", addSpecialTokens: false) == Array(with.dropFirst()))
  }

  @Test func unknownIDsAreKnownToBeUnknown() {
    #expect(!tokenizer.isKnown(tokenizer.idCount) && !tokenizer.isKnown(-1))
    #expect(tokenizer.decode([tokenizer.idCount, -5]) == "")
  }

  /// No text takes quadratic time: each of these would take minutes.
  @Test(arguments: ["a", " ", "ab", "\n", "1", "é", "'", "a "])
  func longTextsTakeLinearTime(unit: String) {
    let text = String(repeating: unit, count: 400_000)
    var count = 0
    let seconds = processorSeconds { count = tokenizer.encode(text).count }
    #expect(count > 1000 && seconds < 20)
  }

  @Test func realTokenizersMatchTheirGoldenIDs() throws {
    guard let folder = shared("tokenizer-qwen2.5") else { return }
    let tokenizer = try Tokenizer(directory: folder)
    let tests = folder + "/llama.cpp-tests/ggml-vocab-qwen2.gguf"
    let texts = try String(contentsOfFile: tests + ".inp", encoding: .utf8)
      .components(separatedBy: "\n__ggml_vocab_test__\n")
    let lines = try String(contentsOfFile: tests + ".out", encoding: .utf8).split(
      separator: "\n", omittingEmptySubsequences: false)
    var checked = 0
    for (text, line) in zip(texts, lines) where !text.isEmpty {
      #expect(tokenizer.encode(text) == line.split(separator: " ").compactMap { Int($0) }, "\(quoted(text))")
      checked += 1
    }
    #expect(checked > 30)
  }
}
