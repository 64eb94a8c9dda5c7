/// A configuration file's object, read value by value with errors that name file and key.
struct Settings {
  let file: String
  let object: JSONObject
  /// Keys that lead to the object, with a dot after each.
  var prefix = ""

  init(path: String) throws(ModelFilesError) {
    self.init(file: path, object: try JSON.object(path: path))
  }

  init(file: String, object: JSONObject, prefix: String = "") {
    self.file = file
    self.object = object
    self.prefix = prefix
  }

  /// The value of a key; nil if it is absent or null.
  subscript(key: String) -> JSONValue? {
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  func bad(
    _ key: String, _ kind: ModelFilesError.Kind = .badValue, expected: String, advice: String = ""
  ) -> ModelFilesError {
    ModelFilesError(
      kind, file: file, place: "key " + quoted(prefix + key), found: object[key]?.summary ?? "nothing",
      expected: expected, advice: advice)
  }

  /// A whole number in a range; nil if absent or null.
  func integer(_ key: String, _ range: ClosedRange<Int>) throws(ModelFilesError) -> Int? {
    guard let value = self[key] else { return nil }
    guard let number = value.int, range.contains(number) else {
      throw bad(key, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A number in a range; nil if absent or null.
  func number(_ key: String, _ range: ClosedRange<Double>) throws(ModelFilesError) -> Double? {
    guard let value = self[key] else { return nil }
    guard let number = value.double, range.contains(number) else {
      throw bad(key, expected: "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

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
