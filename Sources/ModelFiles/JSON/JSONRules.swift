import Support

/// What a reader takes beyond RFC 8259, and how much.
public struct JSONRules: Sendable {
  /// Whether a byte order mark before the text is skipped.
  public var skipsByteOrderMark = true
  /// Whether `NaN`, `Infinity` and `-Infinity` are numbers, as Python's `json` writes them. Such a number is neither
  /// ``JSONValue/int`` nor ``JSONValue/double``, so whoever needs it refuses it.
  public var readsNonFinite = false
  /// Whether strings are names and settings, which hold no long runs of combining marks.
  public var boundsStrings = false
  /// The most values in a text that is read as a tree.
  public var valueLimit = 1 << 22

  /// Strict JSON with a byte order mark.
  public init() {}

  /// RFC 8259 and nothing more: what is inside a .tina file.
  package static let strict = JSONRules(
    skipsByteOrderMark: false, boundsStrings: true, valueLimit: 1 << 18)
  /// Configurations, which programs in Python write.
  package static let configuration = JSONRules(readsNonFinite: true, boundsStrings: true, valueLimit: 1 << 20)
  /// Records of data, whose texts are anything.
  package static let records = JSONRules(readsNonFinite: true)

  private init(
    skipsByteOrderMark: Bool = true, readsNonFinite: Bool = false, boundsStrings: Bool = false,
    valueLimit: Int = 1 << 22
  ) {
    self.skipsByteOrderMark = skipsByteOrderMark
    self.readsNonFinite = readsNonFinite
    self.boundsStrings = boundsStrings
    self.valueLimit = valueLimit
  }
}

extension JSONReader {
  /// A key or name, after its length and its combining marks: whatever it is compared with, time stays linear.
  ///
  /// - Throws: ``ModelFilesError`` for a name that no language needs.
  package func name(_ text: Text, limit: Int = 8192) throws(ModelFilesError) -> String {
    guard text.range.count <= limit else {
      throw excess(
        at: text.range.lowerBound, found: "a name of \(text.range.count) bytes",
        expected: "at most \(limit) bytes")
    }
    let name = decoded(text)
    try check(name, text)
    return name
  }

  /// Refuses a long run of combining marks.
  func check(_ string: String, _ text: Text) throws(ModelFilesError) {
    guard string.longMarkRun != nil else { return }
    throw excess(
      .beyondReader, at: text.range.lowerBound, found: "a string with more than 30 combining marks in a row",
      expected: "at most 30")
  }

  /// A key or string that can be compared with words: ASCII, and short. Nil for any other: it is none of them.
  package func word(_ text: Text) -> String? {
    guard text.range.count <= 256 else { return nil }
    let word = decoded(text)
    return word.utf8.allSatisfy { $0 < 0x80 } ? word : nil
  }

  /// Counts a value that is kept in memory.
  mutating func countValue() throws(ModelFilesError) {
    valuesLeft -= 1
    guard valuesLeft >= 0 else {
      throw excess(
        at: position, found: "more than \(rules.valueLimit) values", expected: "at most \(rules.valueLimit)")
    }
  }
}

extension JSONValue {
  /// Whether it is a number that JSON lacks.
  package var isNonFinite: Bool {
    if case .number(let literal) = self { literal.utf8.contains { $0 == 0x4E || $0 == 0x49 } } else { false }
  }

  /// The number of values that it consists of, itself included. Names of members are none.
  package var count: Int {
    switch self {
    case .array(let values): 1 + values.reduce(0) { $0 + $1.count }
    case .object(let object): 1 + object.members.reduce(0) { $0 + $1.1.count }
    default: 1
    }
  }

  /// The value with null in place of numbers that JSON lacks, for readers that hold to JSON.
  package var finite: JSONValue {
    guard nonFinitePlace != nil else { return self }
    return switch self {
    case .array(let values): .array(values.map(\.finite))
    case .object(let object): .object(JSONObject(object.members.map { (key: $0.0, value: $0.1.finite) }))
    default: .null
    }
  }

  /// The keys that lead to a number that JSON lacks; nil if there is none.
  package var nonFinitePlace: String? {
    switch self {
    case .number: return isNonFinite ? "" : nil
    case .array(let values):
      for (index, value) in values.enumerated() {
        if let place = value.nonFinitePlace { return "[\(index)]" + place }
      }
    case .object(let object):
      for (key, value) in object.members {
        if let place = value.nonFinitePlace { return "." + printable(key) + place }
      }
    default: break
    }
    return nil
  }

  /// The string, if it can be compared with words: ASCII, and short. Nil for any other: it is none of them.
  package var word: String? {
    guard case .string(let text) = self, text.utf8.count <= 256, text.utf8.allSatisfy({ $0 < 0x80 }) else {
      return nil
    }
    return text
  }
}
