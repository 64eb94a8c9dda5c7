import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Tokenization

/// The tokenizers of all families, against Hugging Face tokenizers (tools/golden/tokenizer_styles.py).
@Suite struct TokenizerStyleTests {
  static let styles = ["llama3", "smollm", "gpt2", "llama2", "first", "words", "gemma", "legacy", "turns"]
  let texts: [String]
  let golden: JSONObject

  init() throws {
    let file = try #require(try JSON.parse(path: fixture("styles/golden.json")).object)
    texts = file["texts"]?.array?.compactMap(\.string) ?? []
    golden = try #require(file["styles"]?.object)
  }

  private func tokenizer(_ style: String) throws -> Tokenizer {
    try Tokenizer(path: fixture("styles/\(style).json"))
  }

  private func ids(_ value: JSONValue?) -> [Int] { value?.array?.compactMap(\.int) ?? [] }

  private func same(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

  @Test(arguments: styles) func textsGiveTheReferencesIDs(style: String) throws {
    let tokenizer = try tokenizer(style)
    let expected = try #require(golden[style]?.object)
    let lists = expected["ids"]?.array ?? []
    #expect(texts.count > 80 && lists.count == texts.count)
    for (text, (list, decoded)) in zip(texts, zip(lists, expected["decoded"]?.array ?? [])) {
      #expect(tokenizer.encode(text, addSpecialTokens: false) == ids(list), "\(quoted(text))")
      let found = tokenizer.decode(ids(list))
      #expect(same(found, decoded.string ?? text), "\(quoted(text)): \(quoted(found))")
    }
  }

  @Test(arguments: styles) func tokensInAnyOrderGiveTheReferencesTexts(style: String) throws {
    let tokenizer = try tokenizer(style)
    let cases = golden[style]?.object?["odd"]?.array ?? []
    #expect(cases.count == 40)
    for item in cases {
      let (list, text) = (ids(item.array?.first), item.array?.last?.string ?? "")
      #expect(same(tokenizer.decode(list), text), "\(list)")
      var decoder = tokenizer.streamingDecoder()
      var pieces = ""
      for id in list { pieces.unicodeScalars += decoder.append(id).unicodeScalars }
      pieces.unicodeScalars += decoder.finish().unicodeScalars
      #expect(same(pieces, text), "\(list)")
    }
  }

  @Test func someTextsBeginWithAToken() throws {
    for (style, token) in [("llama3", "<|begin_of_text|>"), ("llama2", "<s>"), ("gemma", "<s>")] {
      let tokenizer = try tokenizer(style)
      let plain = tokenizer.encode("a", addSpecialTokens: false)
      let beginning = try #require(tokenizer.id(of: token))
      #expect(tokenizer.encode("a") == [beginning] + plain)
    }
    #expect(try tokenizer("smollm").encode("a").count == 1)
  }

  /// A GGUF file has scores instead of merges.
  @Test func scoresGiveTheIDsOfMerges() throws {
    let scored = try Tokenizer(directory: fixture("styles/scored.gguf"))
    let merged = try tokenizer("llama2")
    for text in texts {
      #expect(scored.encode(text) == merged.encode(text), "\(quoted(text))")
      #expect(same(scored.decode(scored.encode(text)), merged.decode(merged.encode(text))), "\(quoted(text))")
    }
  }

  /// The GGUF file of a style's tokenizer.
  private func written(
    _ style: String, _ folder: TemporaryFolder, _ change: (String) -> String = { $0 }
  ) throws -> String {
    folder.write(
      "tokenizer.json", change(try String(contentsOfFile: fixture("styles/\(style).json"), encoding: .utf8)))
    folder.write("config.json", "{}")
    let metadata = try Tokenizer.ggufMetadata(
      directory: folder.path, idCount: try tokenizer(style).idCount + 3)
    let target = folder.path("tokenizer.gguf")
    try GGUFWriter.write(metadata: metadata, tensors: [], to: target)
    return target
  }

  @Test(arguments: ["llama2", "gemma", "turns"]) func whatIsWrittenWithScoresGivesTheSameIDs(style: String)
    throws
  {
    let folder = TemporaryFolder()
    let merged = try tokenizer(style)
    let scored = try Tokenizer(directory: written(style, folder))
    for text in texts + ["a  b   c \u{2581} d", " \u{2581}\u{2581} x", "\n\n\n \n"] {
      let ids = merged.encode(text, addSpecialTokens: false)
      #expect(scored.encode(text, addSpecialTokens: false) == ids, "\(quoted(text))")
      #expect(same(scored.decode(ids), merged.decode(ids)), "\(quoted(text))")
      #expect(
        scored.encode([TextPart(text, .none)]) == merged.encode([TextPart(text, .none)]), "\(quoted(text))")
    }
  }

  @Test func whatScoresDoNotTellIsRefused() throws {
    /// The merges of a tokenizer, changed.
    func merges(_ change: @escaping ([String]) -> [String]) -> (String) -> String {
      { text in
        let list = text.components(separatedBy: #""merges":[["#)[1].components(separatedBy: "]]")[0]
        let changed = change(list.components(separatedBy: "],["))
        return text.replacingOccurrences(of: list, with: changed.joined(separator: "],["))
      }
    }
    /// One of two merges of a token comes last.
    func mingled(_ list: [String]) -> [String] {
      func token(_ i: Int) -> String { list[i].replacingOccurrences(of: #"",""#, with: "") }
      guard let i = list.indices.dropLast().first(where: { token($0) == token($0 + 1) }) else { return list }
      return list[..<i] + list[(i + 1)...] + [list[i]]
    }
    func changed(_ old: String, _ new: String) -> (String) -> String {
      { $0.replacingOccurrences(of: old, with: new) }
    }
    let cases: [(style: String, words: String, change: (String) -> String)] = [
      ("first", "normalizer", { $0 }), ("words", "normalizer", { $0 }), ("legacy", "normalized", { $0 }),
      ("llama2", "merges of one token", merges(mingled)),
      ("turns", "runs of spaces", merges { $0.reversed() }),
      ("llama2", "byte_fallback", changed(#""byte_fallback":true"#, #""byte_fallback":false"#)),
      (
        "gemma", "\"<td>\"",
        changed(#""content":"<td>","single_word":false"#, #""content":"<td>","single_word":true"#)
      ),
      ("llama2", "pair of tokens", merges { Array($0.dropFirst()) }),
    ]
    for (style, words, change) in cases {
      let folder = TemporaryFolder()
      do {
        _ = try written(style, folder, change)
        Issue.record("\(style) was written")
      } catch { #expect("\(error)".contains(words), "\(error)") }
    }
  }

  /// Scores without the order of merges give other ids, or the file would not need it.
  @Test func mergesThatScoresDoNotOrderAreWritten() throws {
    func keys(_ style: String) throws -> [String] {
      let folder = TemporaryFolder()
      return try GGUFFile(path: written(style, folder)).metadata.map(\.key)
    }
    #expect(
      try keys("turns").contains(ScoredTokens.orderKey) && !keys("llama2").contains(ScoredTokens.orderKey))
  }

  /// What goes on behind a prompt keeps the space that a text's beginning leaves out.
  @Test func continuationsKeepTheirFirstSpace() throws {
    let tokenizer = try tokenizer("llama2")
    let ids = tokenizer.encode("a b", addSpecialTokens: false)
    #expect(tokenizer.decode(ids) == "a b" && tokenizer.decode(ids, continues: true) == " a b")
    #expect(tokenizer.id(of: " ") == tokenizer.id(of: "▁"))
  }

  /// Texts of others hold white space and HTML's tags as the model's own do, and nothing else.
  @Test(arguments: styles) func marksInTextsOfOthersAreText(style: String) throws {
    let tokenizer = try tokenizer(style)
    let marks = ["<s>", "</s>", "<unk>", "<|eot_id|>", "<|begin_of_text|>", "<start_of_turn>", "[INST]"]
    let ids = marks.filter { tokenizer.encode([TextPart($0, .all)]).count == 1 }.map { tokenizer.id(of: $0) }
    #expect(ids.contains(tokenizer.id(of: "<s>")))
    for text in texts + marks {
      let found = tokenizer.encode([TextPart(text, .none)])
      #expect(!found.contains { ids.contains($0) }, "\(quoted(text))")
    }
    let plain = "a\n\nb\t\t<td>c  d"
    #expect(tokenizer.encode([TextPart(plain, .none)]) == tokenizer.encode(plain, addSpecialTokens: false))
  }

  /// No text takes quadratic time, also where nothing cuts it into words.
  @Test(
    arguments: ["llama2", "gemma", "smollm", "llama3"],
    [" ", "a", "\n", "1", "é", "\u{F1234}", "a ", " 1", "<"])
  func longTextsTakeLinearTime(style: String, unit: String) throws {
    let tokenizer = try tokenizer(style)
    let text = String(repeating: unit, count: 200_000 / unit.utf8.count)
    let seconds = processorSeconds { #expect(tokenizer.encode(text).count > 100) }
    #expect(seconds < 60)
  }

  // MARK: Refusals

  private func refusal(_ style: String, _ old: String, _ new: String) throws -> String {
    try tokenizerRefusal(of: "styles/\(style).json") { $0.replacingOccurrences(of: old, with: new) }
  }

  @Test(arguments: [
    ("llama3", #"{1,3}"#, #"{1,2}"#, "pattern"),
    ("llama3", #""use_regex":false"#, #""use_regex":true"#, "use_regex"),
    ("smollm", #""individual_digits":true"#, #""individual_digits":false"#, "individual_digits"),
    ("gpt2", #""add_prefix_space":false"#, #""add_prefix_space":true"#, "add_prefix_space"),
    ("llama2", #""prepend":"▁""#, #""prepend":"_""#, "Prepend"),
    ("llama2", #""type":"Fuse""#, #""type":"WordPiece""#, "WordPiece"),
    ("llama2", #""start":1"#, #""start":2"#, "Strip"),
    ("first", #""prepend_scheme":"first""#, #""prepend_scheme":"last""#, "prepend_scheme"),
    ("first", #""replacement":"▁""#, #""replacement":"_""#, "replacement"),
    ("gemma", #""type":"Replace","pattern":{"String":" "},"content":"▁""#, #""type":"NFKC""#, "NFKC"),
    ("gemma", #""unk_token":"<unk>""#, #""unk_token":"<none>""#, "unk_token"),
  ])
  func whatIsOtherIsNamed(style: String, old: String, new: String, name: String) throws {
    let found = try refusal(style, old, new)
    #expect(found.contains(name), "\(found)")
  }

  @Test func damageIsAnErrorNeverACrash() throws {
    var random = SeededGenerator(4)
    let folder = TemporaryFolder()
    for name in ["first.json", "llama3.json", "scored.gguf"] {
      let source = try [UInt8](Data(contentsOf: URL(filePath: fixture("styles/\(name)"))))
      for _ in 0..<60 {
        var bytes = source
        for _ in 0..<3 { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
        let path = folder.write(name, bytes)
        if let tokenizer = (try? Tokenizer(directory: path)) ?? (try? Tokenizer(path: path)) {
          _ = tokenizer.decode(tokenizer.encode("1 + 1 = 2  \u{F1234} é"))
        }
      }
    }
  }

  @Test func hostileScoresAreRefused() throws {
    let file = try GGUFFile(path: fixture("styles/scored.gguf"))
    let count = file["tokenizer.ggml.tokens"]?.array?.count ?? 0
    let folder = TemporaryFolder()
    for (key, value) in [
      ("tokenizer.ggml.scores", GGUFValue.array(.float32, [.float32(1)])),
      ("tokenizer.ggml.scores", .array(.float32, Array(repeating: .float32(.nan), count: count))),
      ("tokenizer.ggml.add_space_prefix", .uint32(1)), ("tokenizer.ggml.bos_token_id", .uint32(1 << 20)),
      ("tokenizer.ggml.tokens", .array(.string, Array(repeating: .text("a"), count: count))),
      (ScoredTokens.orderKey, .array(.int32, [.int32(1)])),
      (ScoredTokens.orderKey, .array(.int32, [.int32(300), .int32(1 << 20)])),
      (ScoredTokens.orderKey, .text("a b")),
    ] {
      let target = folder.path("changed.gguf")
      try GGUFWriter.write(
        metadata: file.metadata.filter { $0.key != key } + [(key, value)], tensors: [], to: target)
      do {
        _ = try Tokenizer(directory: target)
        Issue.record("\(key) accepted")
      } catch { #expect(error.description.contains(key), "\(error)") }
    }
  }
}
