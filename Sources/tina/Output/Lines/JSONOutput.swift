import ModelFiles

/// A JSON value to be written on one line, its keys in the order given.
enum JSONOutput: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByNilLiteral {
  case null
  case bool(Bool)
  case integer(Int)
  case unsigned(UInt64)
  case float(Float)
  case double(Double)
  case string(String)
  case array([JSONOutput])
  case object(KeyValuePairs<String, JSONOutput>)
  /// A value as it was read.
  case value(JSONValue)

  init(stringLiteral value: String) { self = .string(value) }
  init(integerLiteral value: Int) { self = .integer(value) }
  init(nilLiteral: ()) { self = .null }

  init(_ value: JSONValue) { self = .value(value) }

  static func ids(_ ids: [Int]) -> JSONOutput { .array(ids.map { .integer($0) }) }

  /// The value as a line of text, without the line's end.
  var line: String {
    var text = ""
    write(to: &text)
    return text
  }

  private func write(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .unsigned(let value): text += String(value)
    // The shortest digits that read back as the same number; JSON has none for infinities and NaN.
    case .float(let value): text += value.isFinite ? "\(value)" : "null"
    case .double(let value): text += value.isFinite ? "\(value)" : "null"
    case .string(let value): JSONValue.write(value, to: &text)
    case .value(let value): text += value.text()
    case .array(let values):
      text += "["
      for (i, value) in values.enumerated() {
        if i > 0 { text += ", " }
        value.write(to: &text)
      }
      text += "]"
    case .object(let fields):
      text += "{"
      for (i, field) in fields.enumerated() {
        if i > 0 { text += ", " }
        JSONValue.write(field.key, to: &text)
        text += ": "
        field.value.write(to: &text)
      }
      text += "}"
    }
  }
}
