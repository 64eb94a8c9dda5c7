/// Settings of a model, whose values are checked when they are asked for.
protocol CheckedSettings {
  /// Whether a key has a value.
  func isSet(_ key: String) -> Bool
  /// The value of a key as a whole number; nil if it is none.
  func whole(_ key: String) -> Int?
  /// The value of a key as a number; nil if it is none.
  func real(_ key: String) -> Double?
  /// The value of a key as a short text; nil if it is absent.
  func summary(_ key: String) -> String?
  /// Path of their file.
  var file: String { get }
  /// Keys that lead to the settings, with a dot after each.
  var prefix: String { get }
}

extension CheckedSettings {
  /// A whole number in a range; nil if it is absent.
  func integer(_ key: String, _ range: ClosedRange<Int>) throws(ModelFilesError) -> Int? {
    isSet(key) ? try required(key, range) : nil
  }

  /// A whole number in a range.
  func required(_ key: String, _ range: ClosedRange<Int>) throws(ModelFilesError) -> Int {
    guard let number = whole(key), range.contains(number) else {
      throw bad(key, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A number in a range; nil if it is absent.
  func number(_ key: String, _ range: ClosedRange<Double>) throws(ModelFilesError) -> Double? {
    guard isSet(key) else { return nil }
    guard let number = real(key), range.contains(number) else {
      throw bad(key, expected: "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// An error that names file and key.
  func bad(
    _ key: String, _ kind: ModelFilesError.Kind = .badValue, expected: String, advice: String = ""
  ) -> ModelFilesError {
    ModelFilesError(
      kind, file: file, place: "key " + quoted(prefix + key), found: summary(key) ?? "nothing",
      expected: expected, advice: advice)
  }
}

/// A configuration file's object, read value by value with errors that name file and key.
struct Settings: CheckedSettings {
  let file: String
  let object: JSONObject
  var prefix = ""

  init(path: String) throws(ModelFilesError) {
    self.init(file: path, object: try JSON.object(path: path))
  }

  init(file: String, object: JSONObject, prefix: String = "") {
    self.file = file
    self.object = object
    self.prefix = prefix
  }

  func isSet(_ key: String) -> Bool { self[key] != nil }

  /// The value of a key; nil if it is absent or null.
  subscript(key: String) -> JSONValue? {
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  func summary(_ key: String) -> String? { object[key]?.summary }

  func whole(_ key: String) -> Int? { object[key]?.int }

  func real(_ key: String) -> Double? { object[key]?.double }

  /// A truth value; nil if absent or null.
  func bool(_ key: String) throws(ModelFilesError) -> Bool? {
    guard let value = self[key] else { return nil }
    guard let bool = value.bool else { throw bad(key, expected: "true or false") }
    return bool
  }

  /// One token id.
  func tokenID(_ key: String) throws(ModelFilesError) -> Int? { try integer(key, 0...Int(Int32.max)) }

  /// One token id, a list of them, or none.
  func tokenIDs(_ key: String) throws(ModelFilesError) -> [Int] {
    guard let list = self[key]?.array else { return try tokenID(key).map { [$0] } ?? [] }
    var ids: [Int] = []
    for value in list {
      guard let id = value.int, (0...Int(Int32.max)).contains(id), list.count <= 1024 else {
        throw bad(key, expected: "a token id or a list of at most 1024 of them")
      }
      if !ids.contains(id) { ids.append(id) }
    }
    return ids
  }
}
