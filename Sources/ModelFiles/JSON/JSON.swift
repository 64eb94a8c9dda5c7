/// A JSON value.
public enum JSONValue: Sendable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A number as it is written, so that reading loses nothing.
  case number(String)
  /// A string.
  case string(String)
  /// An array.
  case array([JSONValue])
  /// An object.
  case object(JSONObject)

  /// Whether it is `null`.
  public var isNull: Bool { if case .null = self { true } else { false } }

  /// The truth value, or nil if it is none.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// The number, or nil if it is none, is written with fraction or exponent, or does not fit.
  public var int: Int? { if case .number(let literal) = self { Int(literal) } else { nil } }

  /// The number, or nil if it is none or too large for a double.
  public var double: Double? {
    guard case .number(let literal) = self, let value = Double(literal), value.isFinite else { return nil }
    return value
  }

  /// The string, or nil if it is none.
  public var string: String? { if case .string(let value) = self { value } else { nil } }

  /// The elements, or nil if it is no array.
  public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }

  /// The object, or nil if it is none.
  public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

  /// The value as a short text for messages.
  public var summary: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let literal): printable(literal, limit: 40)
    case .string(let value): quoted(value)
    case .array(let values):
      values.count <= 4
        ? "[" + values.map(\.shallowSummary).joined(separator: ", ") + "]"
        : "an array of \(values.count) elements"
    case .object(let object):
      object.keys.count <= 4
        ? "{" + object.keys.map { quoted($0) + ": …" }.joined(separator: ", ") + "}"
        : "an object of \(object.keys.count) members"
    }
  }

  private var shallowSummary: String {
    switch self {
    case .array: "[…]"
    case .object: "{…}"
    default: summary
    }
  }
}

/// A JSON object: members in the order of the file, keys compared byte by byte.
public struct JSONObject: Sendable {
  private final class Storage: Sendable {
    let keys: [String]
    let values: [JSONValue]
    let table: KeyTable
    init(keys: [String], values: [JSONValue], table: KeyTable) {
      self.keys = keys
      self.values = values
      self.table = table
    }
  }
  private let storage: Storage

  init(keys: [String], values: [JSONValue], table: KeyTable) {
    storage = Storage(keys: keys, values: values, table: table)
  }

  /// The keys in the order of the file.
  public var keys: [String] { storage.keys }

  /// The members in the order of the file.
  public var members: Zip2Sequence<[String], [JSONValue]> { zip(storage.keys, storage.values) }

  /// The value of a key, or nil if there is none; `null` is a value.
  public subscript(key: String) -> JSONValue? {
    storage.table.find(key, in: storage.keys).map { storage.values[$0] }
  }
}

/// Finds strings by their bytes; Swift's own comparison would take "é" written in two ways for one key.
struct KeyTable: Sendable {
  /// Open addressing over a power of two: index + 1 of the key, 0 for free. Empty while keys are few.
  private var slots: [UInt32] = []

  private static func hash(_ key: String) -> Int {
    // Swift's seeded hash: a hostile file cannot aim at collisions.
    var hasher = Hasher()
    var key = key
    key.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    return hasher.finalize()
  }

  private static func equal(_ a: String, _ b: String) -> Bool {
    a.utf8.count == b.utf8.count && a.utf8.elementsEqual(b.utf8)
  }

  func find(_ key: String, in keys: [String]) -> Int? {
    guard !slots.isEmpty else { return keys.firstIndex { Self.equal($0, key) } }
    var slot = Self.hash(key) & (slots.count - 1)
    while slots[slot] != 0 {
      let index = Int(slots[slot]) - 1
      if Self.equal(keys[index], key) { return index }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  /// Enters a key before the caller appends it to `keys`; false if `keys` has it.
  mutating func insert(_ key: String, into keys: [String]) -> Bool {
    guard find(key, in: keys) == nil else { return false }
    let count = keys.count + 1
    if count <= 8 { return true }
    if slots.count < 2 * count {
      slots = [UInt32](repeating: 0, count: max(32, slots.count * 2))
      for (index, old) in keys.enumerated() { enter(old, index) }
    }
    enter(key, keys.count)
    return true
  }

  private mutating func enter(_ key: String, _ index: Int) {
    var slot = Self.hash(key) & (slots.count - 1)
    while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = UInt32(index + 1)
  }
}

/// JSON of RFC 8259 and what ``JSONRules`` add: well-formed UTF-8, no key twice, at most 64 levels.
public enum JSON {
  /// Reads one value and checks that nothing follows it.
  ///
  /// - Parameters:
  ///   - bytes: the whole text.
  ///   - file: the file's name, for errors.
  ///   - base: where the text begins in its file.
  ///   - rules: what is read beyond strict JSON, and the limits.
  /// - Throws: ``ModelFilesError`` with the byte offset of what is wrong.
  public static func parse(
    _ bytes: [UInt8], file: String, at base: Int = 0, rules: JSONRules = JSONRules()
  ) throws(ModelFilesError) -> JSONValue {
    var reader = try JSONReader(bytes, file: file, at: base, rules: rules)
    let value = try value(&reader)
    try reader.finish()
    return value
  }

  /// Reads a file of one value: a configuration, with the ``JSONRules`` of such.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - maximumByteCount: a longer file is refused before it is read.
  /// - Throws: ``ModelFilesError``, which names a git-LFS pointer and other known formats.
  public static func parse(
    path: String, maximumByteCount: Int = 64 << 20
  ) throws(ModelFilesError) -> JSONValue {
    let file = try MappedFile(path: path)
    guard file.byteCount <= maximumByteCount else {
      throw ModelFilesError(
        .malformed, file: path, found: "\(file.byteCount) bytes",
        expected: "a JSON text of at most \(maximumByteCount) bytes")
    }
    if let format = ForeignFormat(file.bytes) {
      throw ModelFilesError(
        .foreignFormat, file: path, found: format.found(byteCount: file.byteCount),
        expected: "JSON text", advice: format.advice)
    }
    guard file.byteCount > 0 else {
      throw ModelFilesError(
        .truncated, file: path, found: "an empty file", expected: "JSON text", advice: "Get the file again.")
    }
    return try parse(file.copy(0..<file.byteCount), file: path, rules: .configuration)
  }

  /// Reads a configuration: a file of one object, of at most 16 MiB.
  ///
  /// - Throws: ``ModelFilesError`` as ``parse(path:maximumByteCount:)``, and for another kind of value.
  package static func object(path: String) throws(ModelFilesError) -> JSONObject {
    let json = try parse(path: path, maximumByteCount: 16 << 20)
    guard let object = json.object else {
      throw ModelFilesError(
        .malformed, file: path, place: "byte 0", found: json.summary, expected: "an object")
    }
    return object
  }

  /// Reads the next value of a reader, of any kind.
  public static func value(_ reader: inout JSONReader) throws(ModelFilesError) -> JSONValue {
    try reader.countValue()
    switch try reader.peek() {
    case .null:
      try reader.null()
      return .null
    case .bool: return .bool(try reader.bool())
    case .number: return .number(try reader.number())
    case .string:
      let text = try reader.text()
      let string = reader.decoded(text)
      if reader.rules.boundsStrings { try reader.check(string, text) }
      return .string(string)
    case .array:
      var values: [JSONValue] = []
      try reader.beginArray()
      while try reader.nextElement() { values.append(try value(&reader)) }
      return .array(values)
    case .object:
      var keys: [String] = []
      var values: [JSONValue] = []
      var table = KeyTable()
      try reader.beginObject()
      while let text = try reader.nextKey() {
        let key = try reader.name(text)
        guard table.insert(key, into: keys) else {
          throw reader.failure(
            at: text.range.lowerBound, found: "the key " + quoted(key) + " a second time",
            expected: "every key once")
        }
        keys.append(key)
        values.append(try value(&reader))
      }
      return .object(JSONObject(keys: keys, values: values, table: table))
    }
  }
}
