/// Reads JSON piece by piece, in order and without building a tree: for files of many megabytes.
///
/// Strict: RFC 8259 and no more than its ``JSONRules`` allow, well-formed UTF-8 only, bounded depth. The caller asks
/// for the kind of value that must come next; anything else is an error with its byte offset.
///
/// ```swift
/// var reader = try JSONReader(bytes, file: "vocab.json")
/// try reader.beginObject()
/// while let key = try reader.nextKey() { vocabulary[reader.decoded(key)] = try reader.integer() }
/// try reader.finish()
/// ```
///
/// The reader remembers no keys, so it accepts a repeated key; `JSON.parse` refuses it.
public struct JSONReader: Sendable {
  /// What comes next.
  public enum Kind: String, Sendable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool
    /// A number.
    case number
    /// A string.
    case string
    /// An array.
    case array
    /// An object.
    case object
  }

  /// A string or key as it stands in the text, without its quotes.
  public struct Text: Sendable {
    /// Byte offsets into ``JSONReader/bytes``.
    public let range: Range<Int>
    /// Whether there are escapes to resolve; without them the bytes are the string.
    public let hasEscapes: Bool
  }

  /// The text.
  public let bytes: [UInt8]
  /// Name of the file, for errors.
  public let file: String
  /// Where the text begins in its file, for errors.
  public let base: Int
  /// Offset of the next byte to be read.
  public private(set) var position = 0
  private var open: [Container] = []
  private let depthLimit: Int
  let rules: JSONRules
  var valuesLeft: Int

  private struct Container {
    let isObject: Bool
    var isFirst = true
  }

  /// Begins to read a text, and checks its encoding.
  ///
  /// - Parameters:
  ///   - bytes: the whole text.
  ///   - file: the file's name, for errors.
  ///   - base: where the text begins in its file.
  ///   - depthLimit: how deep arrays and objects may nest.
  ///   - rules: what is read beyond strict JSON, and the limits.
  /// - Throws: ``ModelFilesError`` at the first byte that is not UTF-8.
  public init(
    _ bytes: [UInt8], file: String, at base: Int = 0, depthLimit: Int = 64, rules: JSONRules = JSONRules()
  ) throws(ModelFilesError) {
    self.bytes = bytes
    self.file = file
    self.base = base
    self.depthLimit = depthLimit
    self.rules = rules
    valuesLeft = rules.valueLimit
    if rules.skipsByteOrderMark, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    do throws(UTF8.ValidationError) {
      _ = try UTF8Span(validating: bytes.span)
    } catch {
      let offset = error.byteOffsets.lowerBound
      throw failure(
        at: offset, found: "byte 0x" + String(bytes[offset], radix: 16) + ", which is not UTF-8",
        expected: "UTF-8 text")
    }
  }

  /// An error of this text at a byte offset into it.
  public func failure(at offset: Int, found: String, expected: String) -> ModelFilesError {
    ModelFilesError(
      .malformed, file: file, place: "byte \(base + offset)", found: found, expected: expected,
      advice: "The file is damaged: get it again.")
  }

  /// An error of a text that breaks no rule of JSON but a limit.
  func excess(
    _ kind: ModelFilesErrorKind = .malformed, at offset: Int, found: String, expected: String
  ) -> ModelFilesError {
    ModelFilesError(
      kind, file: file, place: "byte \(base + offset)", found: found, expected: expected)
  }

  private func unexpected(_ expected: String) -> ModelFilesError {
    guard position < bytes.count else {
      return failure(at: position, found: "the end of the text", expected: expected)
    }
    let byte = bytes[position]
    let found =
      byte > 0x20 && byte < 0x7f
      ? "'" + String(UnicodeScalar(byte)) + "'" : "byte 0x" + String(byte, radix: 16)
    return failure(at: position, found: found, expected: expected)
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      let byte = bytes[position]
      guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return }
      position += 1
    }
  }

  /// The kind of the next value; skips white space only.
  public mutating func peek() throws(ModelFilesError) -> Kind {
    skipSpace()
    guard position < bytes.count else { throw unexpected("a value") }
    switch bytes[position] {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    case UInt8(ascii: "N") where rules.readsNonFinite, UInt8(ascii: "I") where rules.readsNonFinite:
      return .number
    default: throw unexpected("a value")
    }
  }

  private mutating func begin(_ opening: Character, isObject: Bool) throws(ModelFilesError) {
    skipSpace()
    guard position < bytes.count, bytes[position] == opening.asciiValue else {
      throw unexpected("'\(opening)'")
    }
    guard open.count < depthLimit else {
      throw failure(
        at: position, found: "arrays and objects nested deeper than \(depthLimit)",
        expected: "at most \(depthLimit) levels")
    }
    position += 1
    open.append(Container(isObject: isObject))
  }

  /// Reads `{`.
  public mutating func beginObject() throws(ModelFilesError) { try begin("{", isObject: true) }

  /// Reads `[`.
  public mutating func beginArray() throws(ModelFilesError) { try begin("[", isObject: false) }

  /// Moves to the next member of the innermost container; false when its end was read.
  private mutating func advance(isObject: Bool) throws(ModelFilesError) -> Bool {
    guard let container = open.last, container.isObject == isObject else {
      preconditionFailure("JSONReader: this container is not open")
    }
    let closing = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
    skipSpace()
    guard position < bytes.count else { throw unexpected(isObject ? "'}'" : "']'") }
    if bytes[position] == closing {
      position += 1
      open.removeLast()
      return false
    }
    if container.isFirst {
      open[open.count - 1].isFirst = false
    } else {
      guard bytes[position] == UInt8(ascii: ",") else {
        throw unexpected(isObject ? "',' or '}'" : "',' or ']'")
      }
      position += 1
    }
    return true
  }

  /// Reads the next key of the innermost object and its colon; nil when the object has ended.
  public mutating func nextKey() throws(ModelFilesError) -> Text? {
    guard try advance(isObject: true) else { return nil }
    let key = try text(expected: "a key in double quotes")
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: ":") else { throw unexpected("':'") }
    position += 1
    return key
  }

  /// Moves to the next element of the innermost array; false when the array has ended.
  public mutating func nextElement() throws(ModelFilesError) -> Bool { try advance(isObject: false) }

  /// Reads a string; checks its escapes without resolving them.
  public mutating func text() throws(ModelFilesError) -> Text { try text(expected: "a string") }

  private mutating func text(expected: String) throws(ModelFilesError) -> Text {
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw unexpected(expected) }
    let start = position + 1
    var i = start
    var hasEscapes = false
    while i < bytes.count {
      let byte = bytes[i]
      if byte == UInt8(ascii: "\"") {
        position = i + 1
        return Text(range: start..<i, hasEscapes: hasEscapes)
      }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        i = try endOfEscape(i)
      } else if byte < 0x20 {
        throw failure(
          at: i, found: "control character 0x" + String(byte, radix: 16) + " in a string",
          expected: "it to be escaped")
      } else {
        i += 1
      }
    }
    throw failure(at: bytes.count, found: "the end of the text inside a string", expected: "'\"'")
  }

  /// Reads a string and resolves its escapes.
  public mutating func string() throws(ModelFilesError) -> String { decoded(try text()) }

  /// Reads a string as UTF-8 bytes, escapes resolved.
  public mutating func stringBytes() throws(ModelFilesError) -> [UInt8] { decodedBytes(try text()) }

  private mutating func digits() throws(ModelFilesError) {
    let start = position
    while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
    if position == start { throw unexpected("a digit") }
  }

  private func at(_ character: Character) -> Bool {
    position < bytes.count && bytes[position] == character.asciiValue
  }

  /// Reads a number and returns its offsets.
  public mutating func numberRange() throws(ModelFilesError) -> Range<Int> {
    guard try peek() == .number else { throw unexpected("a number") }
    let start = position
    if at("-") { position += 1 }
    if rules.readsNonFinite, word("Infinity") || (start == position && word("NaN")) {
      return start..<position
    }
    if at("0") { position += 1 } else { try digits() }
    if at(".") {
      position += 1
      try digits()
    }
    if at("e") || at("E") {
      position += 1
      if at("+") || at("-") { position += 1 }
      try digits()
    }
    guard position - start <= 4096 else {
      throw excess(
        at: start, found: "a number of \(position - start) characters", expected: "at most 4096 characters")
    }
    return start..<position
  }

  /// Reads a number and returns it as it is written.
  public mutating func number() throws(ModelFilesError) -> String {
    String(decoding: bytes[try numberRange()], as: UTF8.self)
  }

  /// Reads a whole number without fraction and exponent, in the range of `Int`.
  public mutating func integer() throws(ModelFilesError) -> Int {
    let range = try numberRange()
    var value = 0
    let isNegative = bytes[range.lowerBound] == UInt8(ascii: "-")
    for byte in bytes[isNegative ? range.dropFirst() : range] {
      let digit = Int(byte) - 0x30
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) =
        isNegative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
      guard (0...9).contains(digit), !overflow, !carry else {
        let literal = String(decoding: bytes[range], as: UTF8.self)
        throw failure(
          at: range.lowerBound, found: "the number " + printable(literal, limit: 40),
          expected: "a whole number in the range of 64 bits")
      }
      value = sum
    }
    return value
  }

  private mutating func word(_ word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    guard bytes.count - position >= length else { return false }
    for i in 0..<length where unsafe bytes[position + i] != word.utf8Start[i] { return false }
    position += length
    return true
  }

  /// Reads `true` or `false`.
  public mutating func bool() throws(ModelFilesError) -> Bool {
    skipSpace()
    if word("true") { return true }
    if word("false") { return false }
    throw unexpected("true or false")
  }

  /// Reads `null`.
  public mutating func null() throws(ModelFilesError) {
    skipSpace()
    guard word("null") else { throw unexpected("null") }
  }

  /// Skips a value of any kind, and checks its grammar.
  public mutating func skip() throws(ModelFilesError) {
    switch try peek() {
    case .null: try null()
    case .bool: _ = try bool()
    case .number: _ = try numberRange()
    case .string: _ = try text()
    case .array:
      try beginArray()
      while try nextElement() { try skip() }
    case .object:
      try beginObject()
      while try nextKey() != nil { try skip() }
    }
  }

  /// Checks that nothing but white space is left.
  public mutating func finish() throws(ModelFilesError) {
    skipSpace()
    guard position == bytes.count else { throw unexpected("the end of the text") }
  }
}
