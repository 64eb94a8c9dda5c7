import ModelFiles
import Testing

@Suite("JSON, written")
struct JSONWritingTests {
  @Test(
    "what is written reads back as the same value",
    arguments: [
      #"{"a":[1,2.5,-1e-5,true,null,"x\n\"\\\u0000é😀"],"b":{},"c":[],"":{"d":"\u2028"}}"#, "[]", "0",
      #""""#, "12345678901234567890123",
    ])
  func roundTrip(text: String) throws {
    let value = try JSON.parse(Array(text.utf8), file: "t")
    for indent in [nil, 2] {
      let written = value.text(indent: indent)
      #expect(try JSON.parse(Array(written.utf8), file: "t") == value)
    }
    #expect(value.text().utf8.allSatisfy { $0 >= 0x20 })
  }

  @Test("laid out as Python's json.dump(indent=2)")
  func layout() {
    let object = JSONObject([("a", .array([JSONValue(1), JSONValue(0.5)])), ("b", .object(JSONObject([])))])
    #expect(
      JSONValue.object(object).text(indent: 2) == "{\n  \"a\": [\n    1,\n    0.5\n  ],\n  \"b\": {}\n}")
  }

  @Test("objects are equal in any order; numbers as written; strings by bytes")
  func equality() throws {
    func parse(_ text: String) throws -> JSONValue { try JSON.parse(Array(text.utf8), file: "t") }
    #expect(try parse(#"{"a":1,"b":2}"#) == parse(#"{"b":2,"a":1}"#))
    #expect(try parse(#"{"a":1}"#) != parse(#"{"a":1.0}"#))
    #expect(try parse(#"{"a":1}"#) != parse(#"{"a":1,"b":2}"#))
    #expect(try parse("[1,2]") != parse("[2,1]"))
    #expect(JSONValue.string("é") != .string("e\u{301}"))
  }

  @Test("members can be set, replaced and removed")
  func members() {
    let object = JSONObject([("a", JSONValue(1)), ("b", .null), ("a", JSONValue(2))])
    #expect(object.keys == ["a", "b"] && object["a"]?.int == 2)
    #expect(object.with("b", .bool(true))["b"]?.bool == true)
    #expect(object.with("a", nil).keys == ["b"] && object.with("c", .null).keys == ["a", "b", "c"])
    #expect(object.with("x", nil) == object)
  }

  @Test(
    "doubles in the shortest digits",
    arguments: [
      (0.1, "0.1"), (32, "32"), (-0.0, "-0.0"), (1e300, "1e+300"), (0x1p60, "1.152921504606847e+18"),
    ])
  func doubles(value: Double, text: String) {
    #expect(JSONValue(value).text() == text && Double(text)?.bitPattern == value.bitPattern)
  }
}
