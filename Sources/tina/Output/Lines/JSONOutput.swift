import ModelFiles

// The values that commands write with `--json`.
extension JSONValue {
  static func integer(_ value: Int) -> JSONValue { JSONValue(value) }

  static func unsigned(_ value: UInt64) -> JSONValue { .number(String(value)) }

  /// The shortest digits that read back as the same number; null for infinities and NaN, which JSON lacks.
  static func float(_ value: Float) -> JSONValue { value.isFinite ? .number("\(value)") : .null }

  /// As ``float(_:)``.
  static func double(_ value: Double) -> JSONValue { value.isFinite ? .number("\(value)") : .null }

  static func ids(_ ids: [Int]) -> JSONValue { .array(ids.map { JSONValue($0) }) }

  /// The value on one line, without the line's end.
  var line: String { finite.text(isSpaced: true) }
}
