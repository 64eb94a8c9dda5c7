extension JSONObject {
  /// Makes an object of members in their order; the last value of a repeated key counts.
  public init(_ members: [(key: String, value: JSONValue)]) {
    var keys: [String] = []
    var values: [JSONValue] = []
    var table = KeyTable()
    for (key, value) in members {
      if let index = table.find(key, in: keys) {
        values[index] = value
      } else {
        _ = table.insert(key, into: keys)
        keys.append(key)
        values.append(value)
      }
    }
    self.init(keys: keys, values: values, table: table)
  }

  /// The same object with a key set; a new key comes last. Nil removes the key.
  public func with(_ key: String, _ value: JSONValue?) -> JSONObject {
    var members = Array(members).map { (key: $0.0, value: $0.1) }
    let index = members.firstIndex { $0.key.utf8.elementsEqual(key.utf8) }
    switch (index, value) {
    case (let index?, let value?): members[index].value = value
    case (let index?, nil): members.remove(at: index)
    case (nil, let value?): members.append((key, value))
    case (nil, nil): break
    }
    return JSONObject(members)
  }
}

extension JSONObject: Equatable {
  /// Whether both have the same keys with equal values, in any order.
  public static func == (a: JSONObject, b: JSONObject) -> Bool {
    guard a.keys.count == b.keys.count else { return false }
    for (key, value) in a.members {
      guard let other = b[key], value == other else { return false }
    }
    return true
  }
}

extension JSONValue: Equatable {
  /// Whether both are the same value: numbers as they are written, strings byte by byte, objects in any order.
  public static func == (a: JSONValue, b: JSONValue) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let x), .bool(let y)): x == y
    case (.number(let x), .number(let y)): x.utf8.elementsEqual(y.utf8)
    case (.string(let x), .string(let y)): x.utf8.elementsEqual(y.utf8)
    case (.array(let x), .array(let y)): x == y
    case (.object(let x), .object(let y)): x == y
    default: false
    }
  }
}

extension JSONValue {
  /// An object with its members in this order.
  package static func record(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
    .object(JSONObject(members.map { (key: $0.key, value: $0.value) }))
  }

  /// A number in the shortest digits that read back as the same double; a whole number without fraction.
  ///
  /// - Precondition: the number is finite.
  public init(_ number: Double) {
    precondition(number.isFinite, "JSON has no infinities")
    if number.rounded() == number, abs(number) < 0x1p53, number.sign == .plus || number != 0 {
      self = .number(String(Int64(number)))
    } else {
      self = .number("\(number)")
    }
  }

  /// A whole number.
  public init(_ number: Int) { self = .number(String(number)) }

  /// The value as JSON text.
  ///
  /// - Parameters:
  ///   - indent: blanks a level as Python's `json.dump(indent:)` sets them, or nil for one line.
  ///   - isSpaced: whether one line has blanks after commas and colons, as Python's has.
  public func text(indent: Int? = nil, isSpaced: Bool = false) -> String {
    var out = ""
    let style = Style(
      indent: indent, comma: isSpaced ? ", " : ",", colon: isSpaced || indent != nil ? ": " : ":")
    write(to: &out, style, level: 0)
    return out
  }

  private struct Style {
    let indent: Int?
    let comma: String
    let colon: String

    func newLine(_ level: Int) -> String {
      indent.map { "\n" + String(repeating: " ", count: $0 * level) } ?? ""
    }
  }

  private func write(to out: inout String, _ style: Style, level: Int) {
    switch self {
    case .null: out += "null"
    case .bool(let flag): out += flag ? "true" : "false"
    case .number(let literal): out += literal
    case .string(let text): Self.write(text, to: &out)
    case .array(let values):
      Self.write(values, "[", "]", to: &out, style, level: level) { value, out in
        value.write(to: &out, style, level: level + 1)
      }
    case .object(let object):
      Self.write(Array(object.members), "{", "}", to: &out, style, level: level) { member, out in
        Self.write(member.0, to: &out)
        out += style.colon
        member.1.write(to: &out, style, level: level + 1)
      }
    }
  }

  private static func write<Item>(
    _ items: [Item], _ open: String, _ close: String, to out: inout String, _ style: Style, level: Int,
    _ body: (Item, inout String) -> Void
  ) {
    guard !items.isEmpty else {
      out += open + close
      return
    }
    out += open
    for (i, item) in items.enumerated() {
      if i > 0 { out += style.comma }
      out += style.newLine(level + 1)
      body(item, &out)
    }
    out += style.newLine(level) + close
  }

  /// Appends a text as a JSON string. U+2028 and U+2029 end a line in some readers of JSON lines, so they are
  /// escaped too.
  package static func write(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{0}"..<" ", "\u{7F}", "\u{2028}", "\u{2029}":
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}
