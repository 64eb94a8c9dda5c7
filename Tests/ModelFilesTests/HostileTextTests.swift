import Foundation
import TestSupport
import Testing

@testable import ModelFiles

/// Texts that only exist to take time or memory, and what programs in Python write beyond JSON.
@Suite("Hostile and foreign texts")
struct HostileTextTests {
  /// 256 KiB; Swift's own comparison takes half a minute.
  private let marks = String(repeating: "\u{323}\u{307}", count: 1 << 16)

  private func isQuick(_ body: () throws -> Void) rethrows {
    #expect(try processorSeconds(body) < 10)
  }

  @Test("a key or name of marks is refused at once, with its place")
  func names() {
    for key in [marks, String(marks.unicodeScalars.prefix(40)), String(repeating: "k", count: 8193)] {
      isQuick {
        expectFailure(["t: byte 2", "found a "]) { () throws(ModelFilesError) in
          try JSON.parse(Array("{\"\(key)\":1,\"\(key)x\":2}".utf8), file: "t")
        }
      }
    }
    let folder = TemporaryFolder()
    for header in [
      "{\"\(marks)\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}",
      "{\"a\":{\"dtype\":\"\(marks)\",\"shape\":[],\"data_offsets\":[0,4]}}",
      "{\"a\":{\"\(marks)\":1}}", "{\"__metadata__\":{\"\(marks)\":\"\"}}",
      "{\"\(String(repeating: "n", count: 2049))\":{}}",
    ] {
      let bytes =
        (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) } + Array(header.utf8)
      let path = folder.write("a.safetensors", Data(bytes + [0, 0, 0, 0]))
      isQuick { #expect(throws: ModelFilesError.self) { try SafetensorsFile(path: path) } }
    }
  }

  @Test("a value of marks is compared with words at once")
  func words() throws {
    try isQuick {
      let object = try #require(try JSON.parse(Array("{\"a\":\"\(marks)\"}".utf8), file: "t").object)
      #expect(object["a"]?.word == nil && object["a"]?.string?.utf8.count == marks.utf8.count)
      #expect(object["a"] != JSONValue.string("LORA"))
    }
    #expect(JSONValue.string("LORA").word == "LORA" && JSONValue.string("é").word == nil)
    #expect(GGUFValue.text("lora").word == "lora" && GGUFValue.text(marks).word == nil)
  }

  @Test("a configuration with a run of marks is refused, data with one is read")
  func configurations() throws {
    let folder = TemporaryFolder()
    let path = folder.write("config.json", "{\"model_type\": \"\(marks)\"}")
    isQuick {
      expectFailure(["byte 16", "combining marks"]) { () throws(ModelFilesError) in try JSON.parse(path: path)
      }
    }
    #expect(try JSON.parse(Array("\"\(marks)\"".utf8), file: "t").string?.utf8.count == marks.utf8.count)
  }

  @Test("millions of values are refused before they take memory")
  func values() {
    let text = Array(("[" + String(repeating: "[],", count: 1 << 19) + "[]]").utf8)
    expectFailure(["more than 262144 values"]) { () throws(ModelFilesError) in
      try JSON.parse(text, file: "t", rules: .strict)
    }
    let digits = "[1" + String(repeating: "0", count: 5000) + "]"
    expectFailure(["a number of 5001 characters"]) { () throws(ModelFilesError) in
      try JSON.parse(Array(digits.utf8), file: "t")
    }
  }

  @Test("a byte order mark before JSON is skipped, but not inside a .tina file")
  func byteOrderMark() throws {
    let text = Array("\u{FEFF}{\"a\": 1}".utf8)
    #expect(try JSON.parse(text, file: "t").object?["a"]?.int == 1)
    let folder = TemporaryFolder()
    #expect(try JSON.object(path: folder.write("c.json", Data(text)))["a"]?.int == 1)
    #expect(throws: ModelFilesError.self) { try JSON.parse(text, file: "t", rules: .strict) }
    #expect(throws: ModelFilesError.self) { try JSON.parse(Array("\u{FEFF}\u{FEFF}1".utf8), file: "t") }
  }

  @Test("NaN and infinities are read in configurations, and are no numbers")
  func nonFinite() throws {
    let folder = TemporaryFolder()
    let path = folder.write("c.json", #"{"a": NaN, "b": [Infinity, -Infinity], "c": 1e9, "d": "NaN"}"#)
    let object = try JSON.object(path: path)
    #expect(object["a"]?.double == nil && object["a"]?.int == nil && object["a"]?.summary == "NaN")
    #expect(object["b"]?.array?.map(\.isNonFinite) == [true, true])
    #expect(object["c"]?.double == 1e9 && object["c"]?.isNonFinite == false)
    #expect(JSONValue.object(object).nonFinitePlace == ".a")
    #expect(JSONValue.object(object).finite.text() == #"{"a":null,"b":[null,null],"c":1e9,"d":"NaN"}"#)
    for text in ["NaN", "[Infinity]", "-Infinity", "-NaN", "Nan", "Inf"] {
      #expect(throws: ModelFilesError.self) { try JSON.parse(Array(text.utf8), file: "t") }
    }
    for text in ["-NaN", "Nan", "Inf", "NaNs"] {
      #expect(throws: ModelFilesError.self) {
        try JSON.parse(Array(text.utf8), file: "t", rules: .configuration)
      }
    }
  }

  @Test("a configuration refuses NaN where the key is used, and by the key")
  func usedKeys() throws {
    let folder = TemporaryFolder()
    let config = try String(contentsOfFile: Checkout.path("Models/pico/config.json"), encoding: .utf8)
    let start = try #require(config.firstIndex(of: "{"))
    let rest = config[config.index(after: start)...]
    let unused = folder.write(
      "unused.json",
      "{\"initializer_range\": NaN, \"x\": Infinity,"
        + rest.replacingOccurrences(of: "\"initializer_range\"", with: "\"y\""))
    #expect(try Architecture(path: unused).layerCount > 0)
    let used = folder.write(
      "used.json",
      "{\"rms_norm_eps\": NaN,"
        + rest.replacingOccurrences(of: "\"rms_norm_eps\"", with: "\"y\""))
    expectFailure(["rms_norm_eps", "found NaN"]) { () throws(ModelFilesError) in try Architecture(path: used)
    }
  }

  @Test("a table of values is told as one")
  func tables() {
    let folder = TemporaryFolder()
    for text in ["\u{FEFF}problem,answer\r\n1+1,2\r\n", "\"problem\";\"answer\"\n", "problem\tanswer\n"] {
      expectFailure(["CSV", "columns problem, answer", "pandas"], kind: .foreignFormat) {
        () throws(ModelFilesError) in try JSON.parse(path: folder.write("a.json", text))
      }
    }
    #expect(ForeignFormat(unsafe Array("{\"a\": 1, \"b\": 2}\n".utf8).span.bytes) == nil)
  }
}
