// JSON as text: the shortest form, members in their order, numbers as they were written.

extension JSONValue {
  /// The value as JSON text without blank space; reading it gives the same value, bytes of keys and numbers too.
  public var text: String {
    var text = ""
    write(to: &text)
    return text
  }

  private func write(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .number(let literal): text += literal
    case .string(let value): text += JSON.literal(value)
    case .array(let values):
      text += "["
      for (i, value) in values.enumerated() {
        if i > 0 { text += "," }
        value.write(to: &text)
      }
      text += "]"
    case .object(let object):
      text += "{"
      for (i, (key, value)) in object.members.enumerated() {
        if i > 0 { text += "," }
        text += JSON.literal(key) + ":"
        value.write(to: &text)
      }
      text += "}"
    }
  }
}

extension JSONObject {
  /// The object as JSON text without blank space, members in their order.
  public var text: String { JSONValue.object(self).text }

  /// Makes an object of members in this order; no key may be there twice.
  public init(_ members: [(key: String, value: JSONValue)]) {
    var keys: [String] = []
    var table = KeyTable()
    for member in members {
      let isNew = table.insert(member.key, into: keys)
      precondition(isNew, "the key \(member.key) a second time")
      keys.append(member.key)
    }
    self.init(keys: keys, values: members.map(\.value), table: table)
  }
}

extension JSON {
  /// A string in double quotes. Escaped is what must be, and nothing else.
  public static func literal(_ string: String) -> String {
    var text = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\u{8}": text += "\\b"
      case "\u{c}": text += "\\f"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}
