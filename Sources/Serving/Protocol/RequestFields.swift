import ModelFiles

/// The members of a request's JSON object, each read by name. ``finish()`` refuses by name every member that was not
/// read, so that nothing a client asks for is ignored in silence.
struct RequestFields {
  private let object: JSONObject
  private let prefix: String
  private var read: Set<[UInt8]> = []

  /// The most bytes of a word, as a role or a model's name.
  static let wordBytes = 1024
  /// The most bytes of a number's digits.
  private static let numberBytes = 512
  /// The most arrays and objects in a body. Each takes far more memory than its two brackets.
  private static let containerLimit = 1 << 16

  /// - Parameter prefix: what stands before the names in messages, for objects inside others.
  init(_ value: JSONValue, prefix: String = "") throws(ServingError) {
    guard let object = value.object else {
      let name = prefix.isEmpty ? "the body" : String(prefix.dropLast())
      throw .invalid(
        param: prefix.isEmpty ? nil : name, "\(name): found \(value.summary), expected a JSON object.")
    }
    self.object = object
    self.prefix = prefix
  }

  /// A request's body.
  init(body: [UInt8]) throws(ServingError) {
    let containers = Self.containers(body)
    guard containers <= Self.containerLimit else {
      throw .invalid(
        code: "invalid_json",
        "the body has \(containers) arrays and objects, expected at most \(Self.containerLimit).")
    }
    let value: JSONValue
    do throws(ModelFilesError) {
      value = try JSON.parse(body, file: "body")
    } catch {
      let place = error.place.isEmpty ? "" : " at \(error.place)"
      throw .invalid(
        code: "invalid_json",
        "the body is no JSON\(place): found \(error.found), expected \(error.expected).")
    }
    try self.init(value)
  }

  /// The number of opening brackets outside strings.
  private static func containers(_ body: [UInt8]) -> Int {
    var count = 0
    var isText = false
    var isEscaped = false
    for byte in body {
      if isEscaped {
        isEscaped = false
      } else if isText {
        if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isText = false
        }
      } else if byte == UInt8(ascii: "\"") {
        isText = true
      } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
        count += 1
      }
    }
    return count
  }

  func name(_ key: String) -> String { prefix + key }

  /// The value under `key`; nil when absent or null.
  mutating func value(_ key: String) -> JSONValue? {
    read.insert(Array(key.utf8))
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  /// The value under `key` as `convert` reads it; nil when absent or null.
  mutating func optional<T>(
    _ key: String, _ expected: String, _ convert: (JSONValue) -> T?
  ) throws(ServingError) -> T? {
    guard let value = value(key) else { return nil }
    guard let converted = convert(value) else {
      throw .field(name(key), found: value.summary, expected: expected)
    }
    return converted
  }

  mutating func text(_ key: String) throws(ServingError) -> String? {
    try optional(key, "a text") { $0.string }
  }

  mutating func required(_ key: String) throws(ServingError) -> String {
    guard let text = try text(key) else {
      throw .invalid(param: name(key), "\(name(key)): found nothing, expected a text.")
    }
    return text
  }

  /// A short text.
  mutating func word(_ key: String) throws(ServingError) -> String? {
    try optional(key, "a text of at most \(Self.wordBytes) bytes") { value in
      value.string.flatMap { $0.utf8.count <= Self.wordBytes ? $0 : nil }
    }
  }

  mutating func requiredWord(_ key: String) throws(ServingError) -> String {
    guard let word = try word(key) else {
      throw .invalid(param: name(key), "\(name(key)): found nothing, expected a text.")
    }
    return word
  }

  mutating func flag(_ key: String) throws(ServingError) -> Bool? {
    try optional(key, "true or false") { $0.bool }
  }

  mutating func integer(_ key: String, _ range: ClosedRange<Int>) throws(ServingError) -> Int? {
    let expected =
      range.upperBound == .max
      ? "a whole number from \(range.lowerBound) up"
      : "a whole number from \(range.lowerBound) to \(range.upperBound)"
    return try optional(key, expected) { value in value.int.flatMap { range.contains($0) ? $0 : nil } }
  }

  mutating func number(_ key: String, _ range: ClosedRange<Double>) throws(ServingError) -> Float? {
    try optional(key, "a number from \(range.lowerBound) to \(range.upperBound)") { value in
      Self.number(value).flatMap { range.contains($0) ? Float($0) : nil }
    }
  }

  /// A number whose digits are few enough to be read at once.
  static func number(_ value: JSONValue) -> Double? {
    guard case .number(let literal) = value, literal.utf8.count <= numberBytes else { return nil }
    return value.double
  }

  /// Reads a field that is not supported, and refuses every value that would change the answer.
  mutating func neutral(
    _ key: String, advice: String = "Leave it out.", _ isNeutral: (JSONValue) -> Bool = { _ in false }
  ) throws(ServingError) {
    guard let value = value(key), !isNeutral(value) else { return }
    throw .unsupported(name(key), found: value.summary, advice: advice)
  }

  /// Reads fields that are not supported, and refuses values of theirs that ask for something.
  mutating func foreign(_ fields: [ForeignField]) throws(ServingError) {
    for field in fields {
      try neutral(field.key, advice: field.advice) { value in
        field.harmless.contains { $0.covers(value) }
      }
    }
  }

  /// - Throws: an error that names the first field that nobody read, unless it is null.
  func finish() throws(ServingError) {
    for (key, value) in object.members where !value.isNull && !read.contains(Array(key.utf8)) {
      throw .unsupported(
        prefix + printable(key, limit: 64), found: value.summary,
        advice: "No such field is known here: leave it out, or check its spelling.")
    }
  }
}
