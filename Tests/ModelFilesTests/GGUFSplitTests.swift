import Foundation
import ModelFiles
import TestSupport
import Testing

/// GGUF files in several parts.
@Suite struct GGUFSplitTests {
  private let folder = TemporaryFolder()

  private func name(_ part: Int, of count: Int) -> String {
    folder.path(String(format: "m-%05d-of-%05d.gguf", part + 1, count))
  }

  /// Parts of two tensors each; the first has the metadata of all.
  private func write(_ count: Int, tensorCount: Int? = nil, number: (Int) -> Int = { $0 }) throws {
    for part in 0..<count {
      var metadata: [(key: String, value: GGUFValue)] = part == 0 ? [("a.key", .uint32(7))] : []
      metadata += [
        ("split.no", .uint16(UInt16(number(part)))), ("split.count", .uint16(UInt16(count))),
        ("split.tensors.count", .int32(Int32(tensorCount ?? 2 * count))),
      ]
      try GGUFWriter.write(
        metadata: metadata,
        tensors: (0..<2).map {
          Tensor(name: "t\(2 * part + $0)", shape: [1], floats: [Float(2 * part + $0)])
        },
        to: name(part, of: count))
    }
  }

  private func refusal(_ path: String) -> ModelFilesError? {
    do throws(ModelFilesError) {
      _ = try GGUFFile(path: path)
      return nil
    } catch { return error }
  }

  @Test func anyPartOpensTheWhole() throws {
    try write(3)
    for part in 0..<3 {
      let file = try GGUFFile(path: name(part, of: 3))
      #expect(file.tensors.map { $0.floats()[0] } == [0, 1, 2, 3, 4, 5])
      #expect(file["a.key"]?.integer == 7 && file["split.count"] == nil)
      #expect(file.files == (0..<3).map { name($0, of: 3) })
    }
  }

  @Test func whatIsMissingOrForeignIsNamed() throws {
    try write(3)
    try FileManager.default.removeItem(atPath: name(1, of: 3))
    let missing = try #require(refusal(name(2, of: 3)))
    #expect(missing.kind == .missing && missing.file == name(1, of: 3))
    #expect(missing.expected.contains("part 2 of 3"))

    try FileManager.default.copyItem(atPath: name(0, of: 3), toPath: folder.path("joined.gguf"))
    let joined = try #require(refusal(folder.path("joined.gguf")))
    #expect("\(joined)".contains("part 1 of 3") && "\(joined)".contains("llama-gguf-split --merge"))

    try write(2, number: { _ in 0 })
    #expect(try #require(refusal(name(0, of: 2))).found == "part 1 of 2")
    try write(2, tensorCount: 5)
    #expect(try #require(refusal(name(1, of: 2))).place.contains("split.tensors.count"))
    // The same tensors twice.
    try FileManager.default.removeItem(atPath: name(1, of: 2))
    try GGUFWriter.write(
      metadata: [("split.no", .uint16(1)), ("split.count", .uint16(2))],
      tensors: [Tensor(name: "t0", shape: [1], floats: [1])], to: name(1, of: 2))
    #expect(try #require(refusal(name(0, of: 2))).found.contains("another part has too"))
  }

  @Test func aFileOfOnePartIsWhole() throws {
    try write(1)
    #expect(try GGUFFile(path: name(0, of: 1)).tensors.count == 2)
    try FileManager.default.moveItem(atPath: name(0, of: 1), toPath: folder.path("a.gguf"))
    #expect(try GGUFFile(path: folder.path("a.gguf")).tensors.count == 2)
  }

  @Test func tokensThatEndATurnAreKnownByTheirText() {
    for text in [
      "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>", "<｜end▁of▁sentence｜>",
    ] {
      #expect(GGUFEndTokens.isEnd(Array(text.utf8), isControl: false))
    }
    #expect(GGUFEndTokens.isEnd(Array("</s>".utf8), isControl: true))
    // HTML's, in Gemma's vocabulary.
    #expect(!GGUFEndTokens.isEnd(Array("</s>".utf8), isControl: false))
    for text in ["<|im_start|>", "<think>", "<|im_end|> ", "", "<｜User｜>"] {
      #expect(!GGUFEndTokens.isEnd(Array(text.utf8), isControl: true))
    }
  }

  @Test func theTokenizersEndTokenEndsAnswersToo() throws {
    folder.write("config.json", try Data(contentsOf: URL(fileURLWithPath: pico + "/config.json")))
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("model.safetensors"), withDestinationPath: pico + "/model.safetensors")
    let own = try StoredModel(path: folder.path).eosTokenIDs
    func ends(_ files: [String: String]) throws -> [Int] {
      for (name, text) in files { folder.write(name, text) }
      defer { for name in files.keys { try? FileManager.default.removeItem(atPath: folder.path(name)) } }
      return try StoredModel(path: folder.path).eosTokenIDs
    }
    let decoder = #"{"eos_token": {"content": "<x>"}, "added_tokens_decoder": {"77": {"content": "<x>"}}}"#
    #expect(try ends(["tokenizer_config.json": decoder]) == own + [77])
    let added =
      #"{"added_tokens": [{"id": 5, "content": "a"}, {"id": 78, "content": "<x>"}], "model": broken"#
    #expect(
      try ends(["tokenizer_config.json": #"{"eos_token": "<x>"}"#, "tokenizer.json": added]) == own + [78])
    #expect(try ends(["tokenizer_config.json": #"{"eos_token": "<y>"}"#, "tokenizer.json": added]) == own)
    #expect(try ends(["tokenizer_config.json": "{"]) == own)
  }
}
