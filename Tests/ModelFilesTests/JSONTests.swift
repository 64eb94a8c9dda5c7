import ModelFiles
import TestSupport
import Testing

private func parse(_ text: String) throws(ModelFilesError) -> JSONValue {
  try JSON.parse(Array(text.utf8), file: "t.json")
}

/// A text that shows a value's whole structure.
private func dump(_ value: JSONValue) -> String {
  switch value {
  case .null: "null"
  case .bool(let flag): "\(flag)"
  case .number(let literal): literal
  case .string(let text): "\"" + text + "\""
  case .array(let values): "[" + values.map(dump).joined(separator: ",") + "]"
  case .object(let object):
    "{" + object.members.map { "\"\($0)\":" + dump($1) }.joined(separator: ",") + "}"
  }
}

@Suite("JSON")
struct JSONTests {
  @Test(
    "accepts what RFC 8259 allows",
    arguments: [
      ("null", "null"), (" true ", "true"), ("false\n", "false"), ("0", "0"), ("-0", "-0"),
      ("-1.5e+3", "-1.5e+3"),
      ("1E400", "1E400"), ("0.1", "0.1"), ("20e1", "20e1"), ("[]", "[]"), ("[ ]", "[]"), ("{}", "{}"),
      ("[1, [2,{}] ,\t3]", "[1,[2,{}],3]"), ("{\"a\":1,\"b\":[null]}", "{\"a\":1,\"b\":[null]}"),
      ("\"\"", "\"\""), ("\"\u{7f}\u{10ffff}\"", "\"\u{7f}\u{10ffff}\""),
      (#""\"\\\/\b\f\n\r\t""#, "\"\"\\/\u{8}\u{c}\n\r\t\""), (#""\u0041\u00e9\u20AC""#, "\"Aé€\""),
      (#""\uD834\udd1e""#, "\"𝄞\""), (#""\u0000""#, "\"\0\""), (#"{"":0}"#, #"{"":0}"#),
    ])
  func accepts(text: String, expected: String) throws {
    #expect(dump(try parse(text)).utf8.elementsEqual(expected.utf8))
  }

  @Test(
    "refuses what it does not, with the place",
    arguments: [
      ("", "byte 0"), (" ", "byte 1"), ("nul", "byte 0"), ("True", "byte 0"), ("NaN", "byte 0"),
      ("-Infinity", "byte 1"), ("+1", "byte 0"), ("01", "byte 1"), ("-", "byte 1"), ("1.", "byte 2"),
      (".5", "byte 0"), ("1e", "byte 2"), ("1e+", "byte 3"), ("0x1", "byte 1"), ("1 2", "byte 2"),
      ("[1,]", "byte 3"), ("[,1]", "byte 1"), ("[1 2]", "byte 3"), ("[1", "byte 2"), ("]", "byte 0"),
      ("{\"a\"}", "byte 4"), ("{\"a\":}", "byte 5"), ("{\"a\":1,}", "byte 7"), ("{a:1}", "byte 1"),
      ("{1:1}", "byte 1"), ("{\"a\":1", "byte 6"), ("{'a':1}", "byte 1"), ("[1}", "byte 2"),
      ("\"abc", "byte 4"), ("\"a\u{1}\"", "byte 2"), ("\"\n\"", "byte 1"), (#""\x""#, "byte 1"),
      (#""\u12g4""#, "byte 1"), (#""\u12"#, "byte 1"), (#""\ud800""#, "byte 1"),
      (#""\ud800\u0041""#, "byte 1"),
      (#""\udc00""#, "byte 1"), ("\"\\", "byte 1"), ("// c\n1", "byte 0"), ("\u{feff}\u{feff}1", "byte 3"),
      ("1\u{a0}", "byte 1"), ("[1]x", "byte 3"),
    ])
  func refuses(text: String, place: String) {
    expectFailure(["t.json: \(place): found ", "; expected "], kind: .malformed) {
      () throws(ModelFilesError) in
      try parse(text)
    }
  }

  @Test(
    "names the first byte that is not UTF-8",
    arguments: [
      ([0x80], 0), ([0xc0, 0x80], 0), ([0xc3], 0), ([0xe0, 0x80, 0x80], 0), ([0xed, 0xa0, 0x80], 0),
      ([0xf0, 0x80, 0x80, 0x80], 0), ([0xf4, 0x90, 0x80, 0x80], 0), ([0xf5, 0x80, 0x80, 0x80], 0),
      ([0xe2, 0x82], 0), ([0xc3, 0xa9, 0xff], 2),
      ([0x61, 0x61, 0x61, 0x61, 0x61, 0x61, 0x61, 0x61, 0x61, 0xfe], 9),
      ([0xf0, 0x9f, 0x98, 0x41], 0),
    ] as [([UInt8], Int)])
  func refusesInvalidUTF8(bytes: [UInt8], offset: Int) {
    let text = [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")]
    expectFailure(["byte \(offset + 1): found byte 0x", "not UTF-8"]) { () throws(ModelFilesError) in
      try JSON.parse(text, file: "t.json")
    }
  }

  @Test("the check of UTF-8 agrees with Swift's on random bytes")
  func agreesOnUTF8() {
    var random = SeededGenerator(7)
    let pool: [UInt8] = [0x41, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5]
    for _ in 0..<20_000 {
      let body = (0..<Int.random(in: 0...9, using: &random)).map { _ in
        pool.randomElement(using: &random) ?? 0
      }
      let text = [0x22] + body + [0x22]
      let isValid = String(validating: text, as: UTF8.self) != nil
      #expect(((try? JSON.parse(text, file: "")) != nil) == isValid, "\(body)")
    }
  }

  @Test("depth is bounded, on the way in and when skipping")
  func depth() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    _ = try parse(nested(64))
    expectFailure(["byte 64", "nested deeper than 64"]) { () throws(ModelFilesError) in try parse(nested(65))
    }
    expectFailure(["nested deeper than 64"]) { () throws(ModelFilesError) in
      var reader = try JSONReader(Array(String(repeating: "[", count: 1_000_000).utf8), file: "t")
      try reader.skip()
    }
  }

  @Test("a key may not appear twice, few keys or many, escaped or not")
  func duplicateKeys() throws {
    expectFailure(["byte 8", "the key \"a\" a second time"]) { () throws(ModelFilesError) in
      try parse(#"{"a":1,"\u0061":2}"#)
    }
    let members = (0..<1000).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
    expectFailure(["the key \"k500\" a second time"]) { () throws(ModelFilesError) in
      try parse("{" + members + ",\"k500\":1}")
    }
    let object = try #require(try parse("{" + members + "}").object)
    #expect(object["k999"]?.int == 999 && object["k1000"] == nil && object.keys.count == 1000)
  }

  @Test("keys are compared by bytes: two spellings of é are two keys")
  func canonicallyEquivalentKeys() throws {
    let object = try #require(try parse("{\"\u{e9}\":1,\"e\u{301}\":2}").object)
    #expect(object["\u{e9}"]?.int == 1)
    #expect(object["e\u{301}"]?.int == 2)
  }

  @Test("numbers keep what is written")
  func numbers() throws {
    #expect(try parse("9223372036854775807").int == .max)
    #expect(try parse("-9223372036854775808").int == .min)
    #expect(try parse("9223372036854775808").int == nil)
    #expect(try parse("1.0").int == nil)
    #expect(try parse("1e-6").double == 1e-6)
    #expect(try parse("1e999").double == nil)
  }

  @Test("the pull reader reads integers to the limits of 64 bits")
  func integers() throws {
    func integer(_ text: String) throws(ModelFilesError) -> Int {
      var reader = try JSONReader(Array(text.utf8), file: "t")
      return try reader.integer()
    }
    #expect(try integer("9223372036854775807") == .max)
    #expect(try integer(" -9223372036854775808") == .min)
    for text in ["9223372036854775808", "-9223372036854775809", "1.5", "1e3", "99999999999999999999999"] {
      expectFailure(["found the number", "64 bits"]) { () throws(ModelFilesError) in try integer(text) }
    }
  }

  @Test("the pull reader hands over keys and strings as bytes")
  func pullReader() throws {
    var reader = try JSONReader(Array(#"{"Ġa":0,"\u0120b":[ "x\n", true ],"c":null}"#.utf8), file: "t")
    try reader.beginObject()
    var key = try #require(try reader.nextKey())
    #expect(!key.hasEscapes && Array(reader.bytes[key.range]) == Array("Ġa".utf8))
    #expect(try reader.integer() == 0)
    key = try #require(try reader.nextKey())
    #expect(key.hasEscapes && reader.decodedBytes(key) == Array("Ġb".utf8))
    try reader.beginArray()
    #expect(try reader.nextElement())
    #expect(try reader.stringBytes() == Array("x\n".utf8))
    #expect(try reader.nextElement())
    #expect(try reader.peek() == .bool)
    #expect(try reader.bool())
    #expect(try !reader.nextElement())
    #expect(try reader.nextKey() != nil)
    try reader.null()
    #expect(try reader.nextKey() == nil)
    try reader.finish()
  }

  @Test("errors escape control characters and cut long texts")
  func hostileNames() {
    let key = "\\u001b[2J" + String(repeating: "x", count: 4000)
    let error = expectFailure(["\\u{1b}[2J", "…"]) { () throws(ModelFilesError) in
      try parse("{\"\(key)\":1,\"\(key)\":2}")
    }
    #expect((error?.description.utf8.count ?? .max) < 1000)
  }

  @Test("random damage is either an error or valid, never a crash")
  func mutations() {
    let seed = Array(#"{"a":[1,-2.5e3,"x\u00e9\ud834\udd1e"],"b":{"c":null,"d":[true,false]},"é":""}"#.utf8)
    let alphabet = Array("{}[]\",:\\u0d8e-+.tfn \u{e9}".utf8)
    var random = SeededGenerator(1)
    for _ in 0..<20_000 {
      var text = seed
      for _ in 0...Int.random(in: 0...3, using: &random) {
        let i = Int.random(in: text.indices, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: text[i] = alphabet.randomElement(using: &random) ?? 0
        case 1: text[i] = UInt8.random(in: 0...255, using: &random)
        case 2: if text.count > 1 { text.remove(at: i) }
        default: text.insert(alphabet.randomElement(using: &random) ?? 0, at: i)
        }
      }
      _ = try? JSON.parse(text, file: "t")
      if var reader = try? JSONReader(text, file: "t") { try? reader.skip() }
    }
  }

  @Test("a git-LFS pointer, an empty and an oversized file are named as such")
  func files() {
    let directory = TemporaryFolder()
    let pointer = directory.write(
      "config.json", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 679\n")
    expectFailure([pointer, "git-LFS pointer", "679 bytes", "git lfs pull"], kind: .foreignFormat) {
      () throws(ModelFilesError) in try JSON.parse(path: pointer)
    }
    let empty = directory.write("empty.json", "")
    expectFailure([empty, "empty file"], kind: .truncated) { () throws(ModelFilesError) in
      try JSON.parse(path: empty)
    }
    let long = directory.write("long.json", "[" + String(repeating: " ", count: 100) + "]")
    expectFailure([long, "102 bytes", "at most 100"]) { () throws(ModelFilesError) in
      try JSON.parse(path: long, maximumByteCount: 100)
    }
  }
}
