import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite("safetensors")
struct SafetensorsTests {
  let directory = TemporaryFolder()

  private func open(_ bytes: [UInt8]) throws(ModelFilesError) -> SafetensorsFile {
    try SafetensorsFile(path: directory.write("m.safetensors", bytes))
  }

  /// Header of one tensor `w`, given as the inside of its object.
  private func refuse(
    entry: String, data: Int = 8, _ fragments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let bytes = safetensors(header: "{\"w\":{\(entry)}}", data: [UInt8](repeating: 0, count: data))
    expectFailure(["m.safetensors: "] + fragments, sourceLocation: sourceLocation) {
      () throws(ModelFilesError) in try open(bytes)
    }
  }

  private func refuse(
    header: String, data: Int = 0, _ fragments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let bytes = safetensors(header: header, data: [UInt8](repeating: 0, count: data))
    expectFailure(["m.safetensors: "] + fragments, sourceLocation: sourceLocation) {
      () throws(ModelFilesError) in try open(bytes)
    }
  }

  @Test("a valid file: names, types, shapes, values, metadata, order of data")
  func valid() throws {
    // 1.0, -2.0 as F32; 0.5 as F16; 3.0 as BF16. The header lists them in another order and ends in spaces.
    let header =
      #"{"b":{"dtype":"F16","shape":[1],"data_offsets":[8,10]},"__metadata__":{"format":"pt","n":"\u00e9"},"#
      + #""c":{"data_offsets":[10,12],"shape":[],"dtype":"BF16"},"#
      + #""a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"#
      + #""e":{"dtype":"U8","shape":[0,3],"data_offsets":[12,12]}}   "#
    let file = try open(
      safetensors(header: header, data: [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0x38, 0x40, 0x40]))
    #expect(file.tensors.map(\.name) == ["a", "b", "c", "e"])
    #expect(file["a"]?.floats() == [1, -2] && file["a"]?.shape == [2, 1])
    #expect(file["b"]?.floats() == [0.5] && file["b"]?.elementType == .f16)
    #expect(file["c"]?.floats() == [3] && file["c"]?.shape == [])
    #expect(file["e"]?.elementCount == 0 && file["x"] == nil)
    #expect(file.metadata.map(\.key) == ["format", "n"] && file.metadata.map(\.value) == ["pt", "é"])
    let tensor = try #require(file["b"])
    let (count, first) = unsafe (
      tensor.bytes.byteCount, tensor.bytes.unsafeLoad(fromByteOffset: 1, as: UInt8.self)
    )
    #expect(count == 2 && first == 0x38)
  }

  @Test("an empty header is a file without tensors")
  func noTensors() throws { #expect(try open(safetensors(header: "{}")).tensors.isEmpty) }

  @Test("huge dimensions beside a zero are an empty tensor, not an overflow")
  func zeroTimesHuge() throws {
    let file = try open(
      safetensors(
        header: #"{"w":{"dtype":"F32","shape":[4611686018427387904,8,0],"data_offsets":[0,0]}}"#))
    #expect(file.tensors[0].elementCount == 0 && file.tensors[0].floats() == [])
  }

  @Test("sub-byte types are measured in bits")
  func subByte() throws {
    _ = try open(
      safetensors(header: #"{"w":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}"#, data: [0, 0]))
    refuse(
      entry: #""dtype":"F4","shape":[3],"data_offsets":[0,1]"#, data: 1, "tensor \"w\"",
      "whole number of bytes")
  }

  // MARK: The file as a whole

  @Test("a truncated file says how much is missing")
  func truncated() {
    let whole = safetensors([("a", .f32, [4]), ("b", .f32, [100])])
    expectFailure(
      ["m.safetensors", "tensor \"b\"", "416", "cut off by 10", "Download it again"], kind: .truncated
    ) {
      () throws(ModelFilesError) in try open(whole.dropLast(10))
    }
  }

  @Test("every truncation is an error", arguments: [0, 1])
  func everyTruncation(variant: Int) {
    let whole = variant == 0 ? safetensors([("a", .f32, [4])]) : safetensors(header: "{}  ")
    for count in 0..<whole.count {
      expectFailure(["m.safetensors"]) { () throws(ModelFilesError) in try open(Array(whole.prefix(count))) }
    }
  }

  @Test("an empty file")
  func empty() {
    expectFailure(["m.safetensors", "an empty file", "download"], kind: .truncated) {
      () throws(ModelFilesError) in try open([])
    }
  }

  @Test("a header length beyond the file")
  func headerBeyondFile() {
    expectFailure(
      ["m.safetensors: byte 0", "header length of 1000 bytes", "file of 10 bytes", "at most 2"],
      kind: .truncated
    ) { () throws(ModelFilesError) in try open(safetensors(header: "{}", claiming: 1000)) }
  }

  @Test(
    "a header length beyond the format's limit",
    arguments: [100_000_001, UInt64(1) << 62, UInt64(1) << 63, .max])
  func headerBeyondLimit(length: UInt64) {
    expectFailure(["byte 0", "header length of \(length) bytes", "at most 100000000"], kind: .malformed) {
      () throws(ModelFilesError) in try open(safetensors(header: "{}", claiming: length))
    }
  }

  @Test("a header that does not begin with {")
  func headerStart() {
    refuse(header: " {}", "byte 8", "0x20", "'{'")
    refuse(header: "[]", "byte 8", "'{'")
    refuse(header: "{", data: 4, "byte 8", "header of 1 bytes")
  }

  @Test("text after the header")
  func headerEnd() {
    refuse(header: "{}x", "byte 10", "'x'", "the end of the text")
    refuse(header: "{}\0", "byte 10", "byte 0x0")
  }

  @Test("bytes after the last tensor")
  func trailing() {
    expectFailure(["m.safetensors: byte", "3 bytes after the last tensor"]) { () throws(ModelFilesError) in
      try open(safetensors([("a", .f32, [4])]) + [0, 0, 0])
    }
  }

  @Test("a git-LFS pointer says what to run")
  func lfsPointer() {
    let text = "version https://git-lfs.github.com/spec/v1\noid sha256:43da\nsize 34895376\n"
    expectFailure(
      ["m.safetensors", "git-LFS pointer of \(text.utf8.count) bytes", "34895376", "git lfs pull"],
      kind: .foreignFormat
    ) { () throws(ModelFilesError) in try open(Array(text.utf8)) }
  }

  @Test(
    "other formats are named",
    arguments: [
      ([0x50, 0x4b, 3, 4, 0, 0, 8, 8, 0, 0, 0, 0], "zip archive"),
      ([0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20], "pickle"),
      (Array("GGUF".utf8) + [3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], "GGUF"),
      (Array("<!DOCTYPE html><html>".utf8), "HTML"),
    ] as [([UInt8], String)])
  func foreign(bytes: [UInt8], name: String) {
    expectFailure(["m.safetensors", name, "expected a safetensors file"], kind: .foreignFormat) {
      () throws(ModelFilesError) in try open(bytes)
    }
  }

  // MARK: The header

  @Test("non-UTF-8 keys")
  func nonUTF8() {
    var bytes = safetensors([("abcd", .f32, [1])])
    bytes[11] = 0xff
    expectFailure(["m.safetensors: byte 11", "0xff", "UTF-8"]) { () throws(ModelFilesError) in try open(bytes)
    }
  }

  @Test("duplicate keys of every level")
  func duplicates() {
    let entry = #"{"dtype":"U8","shape":[],"data_offsets":[0,1]}"#
    refuse(header: "{\"w\":\(entry),\"w\":\(entry)}", data: 1, "the key \"w\" a second time")
    refuse(header: "{\"\u{e9}\":\(entry),\"e\u{301}\":\(entry)}", data: 1, "a second time")
    refuse(header: #"{"__metadata__":{},"__metadata__":{}}"#, "\"__metadata__\" a second time")
    refuse(header: #"{"__metadata__":{"a":"1","a":"2"}}"#, "\"a\" a second time")
    refuse(entry: #""dtype":"U8","dtype":"U8","shape":[8],"data_offsets":[0,8]"#, "\"dtype\" a second time")
  }

  @Test("metadata holds strings only")
  func metadataTypes() { refuse(header: #"{"__metadata__":{"a":1}}"#, "byte", "no string for \"a\"") }

  @Test("a tensor has exactly its three keys")
  func tensorKeys() {
    refuse(entry: #""shape":[2],"data_offsets":[0,8]"#, "tensor \"w\"", "no dtype")
    refuse(entry: #""dtype":"F32","data_offsets":[0,8]"#, "tensor \"w\"", "no shape")
    refuse(entry: #""dtype":"F32","shape":[2]"#, "tensor \"w\"", "no data_offsets")
    refuse(entry: #""dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1"#, "tensor \"w\"", "the key \"x\"")
    refuse(entry: #""dtype":"F31","shape":[2],"data_offsets":[0,8]"#, "tensor \"w\"", "dtype \"F31\"")
    refuse(entry: #""dtype":"F32","shape":[-2],"data_offsets":[0,8]"#, "tensor \"w\"", "-2 in shape")
    refuse(entry: #""dtype":"F32","shape":[2.0],"data_offsets":[0,8]"#, "the number 2.0")
    refuse(entry: #""dtype":"F32","shape":2,"data_offsets":[0,8]"#, "byte", "'2'", "'['")
    refuse(entry: #""dtype":"F32","shape":[2],"data_offsets":[0,8,8]"#, "more than 2")
    refuse(entry: #""dtype":"F32","shape":[2],"data_offsets":[0]"#, "data_offsets [0]")
  }

  @Test("offsets and sizes: reversed, wrong size, beyond the file, overflow")
  func offsets() {
    refuse(entry: #""dtype":"F32","shape":[2],"data_offsets":[8,0]"#, "tensor \"w\"", "[8, 0]", "begin ≤ end")
    refuse(
      entry: #""dtype":"F32","shape":[3],"data_offsets":[0,8]"#, "tensor \"w\"", "8 bytes",
      "expected 12 bytes")
    refuse(
      entry: #""dtype":"F32","shape":[4],"data_offsets":[0,16]"#, "tensor \"w\"", "end at 16",
      "the file has 8 bytes")
    refuse(
      entry: #""dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]"#, "tensor \"w\"",
      "below 2^63")
    refuse(
      entry: #""dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]"#,
      "below 2^63")
    refuse(entry: #""dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]"#, "64 bits")
  }

  @Test("overlapping tensors, and holes")
  func layout() {
    func pair(_ first: String, _ second: String) -> String {
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":\#(first)},"#
        + #""b":{"dtype":"U8","shape":[4],"data_offsets":\#(second)}}"#
    }
    refuse(header: pair("[0,4]", "[2,6]"), data: 6, "tensor \"b\"", "[2, 6]", "no overlap with tensor \"a\"")
    refuse(header: pair("[0,4]", "[0,4]"), data: 4, "no overlap")
    refuse(header: pair("[0,4]", "[6,10]"), data: 10, "tensor \"b\"", "no hole", "end at 4")
    refuse(header: pair("[2,6]", "[6,10]"), data: 10, "tensor \"a\"", "no hole", "end at 0")
  }

  @Test("a deep header ends at once")
  func deep() {
    refuse(header: "{\"w\":" + String(repeating: "[", count: 10_000), "byte", "'['")
    refuse(header: "{\"w\":{\"shape\":" + String(repeating: "[", count: 10_000), "tensor")
  }

  // MARK: Files

  @Test("a missing file, a directory and a pipe")
  func noFile() {
    expectFailure(["/nowhere/m.safetensors", "no such file"], kind: .missing) { () throws(ModelFilesError) in
      try SafetensorsFile(path: "/nowhere/m.safetensors")
    }
    expectFailure([directory.path, "a directory"], kind: .unreadable) { () throws(ModelFilesError) in
      try SafetensorsFile(path: directory.path)
    }
    let pipe = directory.path + "/pipe"
    #expect(unsafe mkfifo(pipe, 0o600) == 0)
    expectFailure([pipe, "no regular file"], kind: .unreadable) { () throws(ModelFilesError) in
      try SafetensorsFile(path: pipe)
    }
  }

  @Test("seeded random damage: an error or a valid file, never a crash", arguments: 0..<4)
  func mutations(seed: Int) throws {
    var random = SeededGenerator(UInt64(seed))
    let whole =
      safetensors(
        header: #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
          + #""b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"c":{"dtype":"F16","shape":[],"#
          + #""data_offsets":[32,34]}} "#, data: Array(1...34))
    let alphabet = Array("{}[]\",:0123456789FBU-e".utf8)
    let name = "fuzz-\(seed).safetensors"
    var validCount = 0
    for _ in 0..<1_500 {
      var bytes = whole
      for _ in 0...Int.random(in: 0...2, using: &random) {
        guard let i = bytes.indices.randomElement(using: &random) else { break }
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[i] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[i] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes[i] = alphabet.randomElement(using: &random) ?? 0
        case 3: bytes.removeLast(bytes.count - i)
        default: bytes.insert(alphabet.randomElement(using: &random) ?? 0, at: i)
        }
      }
      guard let file = try? SafetensorsFile(path: directory.write(name, bytes)) else { continue }
      validCount += 1
      for tensor in file.tensors {
        #expect(tensor.byteRange.upperBound <= bytes.count)
        if tensor.elementType.readsAsFloats {
          #expect(tensor.floats().count == tensor.elementCount)
        }
      }
    }
    #expect(validCount > 20)  // damage to data alone leaves a valid file
  }

  #if os(Linux)
    @Test(
      "memory for a hostile header stays within a small multiple of the file",
      arguments: ["[1,", "{\"a\":", "\"a\":{},", "one shape", "tensors", "metadata"])
    func boundedMemory(kind: String) async {
      await #expect(processExitsWith: .success) { [kind] in
        let size = 8_000_000
        let header: String
        switch kind {
        case "one shape": header = "{\"w\":{\"shape\":[" + String(repeating: "1,", count: size / 2)
        case "tensors":
          header =
            "{"
            + (0..<size / 56).map { "\"\($0)\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}," }
            .joined()
        case "metadata":
          header = "{\"__metadata__\":{" + (0..<size / 12).map { "\"\($0)\":\"\"," }.joined()
        default: header = "{" + String(repeating: kind, count: size / kind.utf8.count)
        }
        let directory = TemporaryFolder()
        let path = directory.write("h.safetensors", safetensors(header: header))
        func peak() -> Int {
          let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
          let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM") } ?? ""
          return Int(line.filter(\.isNumber)) ?? .max
        }
        // The text itself was made here: only what comes on top counts. 5 resets the mark.
        try "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
        let before = peak()
        let failed = (try? SafetensorsFile(path: path)) == nil
        let grown = (peak() - before) * 1024
        exit(failed && grown < 12 * size ? 0 : 1)
      }
    }
  #endif

  @Test("real files open", .needsShared("models"))
  func realFiles() throws {
    let model = try #require(shared("models/story-qwen2-derived/model.safetensors"))
    let pointer = try #require(shared("adapters/qwen2.5-1.5b-r64-LFS-POINTER/adapter_model.safetensors"))
    let file = try SafetensorsFile(path: model)
    #expect(file.tensors.count > 20 && file["model.embed_tokens.weight"]?.shape == [2048, 128])
    expectFailure(["git-LFS pointer of 133 bytes", "34895376"]) { () throws(ModelFilesError) in
      try SafetensorsFile(path: pointer)
    }
  }
}
