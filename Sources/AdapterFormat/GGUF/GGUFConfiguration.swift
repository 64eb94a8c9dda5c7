import ModelFiles

/// Converts a GGUF file's key-values to a JSON object and back without loss, kinds included.
enum GGUFConfiguration {
  /// `{"general.type": {"type": "string", "value": "adapter"}, …}`
  static func object(_ metadata: [(key: String, value: GGUFValue)]) -> JSONObject {
    JSONObject(metadata.map { (key: $0.key, value: json($0.value)) })
  }

  /// The value of a key; nil if there is none or it is ill-formed.
  static func value(_ object: JSONObject, _ key: String) -> GGUFValue? {
    object[key].flatMap { value($0, depth: 0) }
  }

  /// The base's architecture, as a file states it.
  static func architecture(_ value: (String) -> GGUFValue?) -> BaseArchitecture? {
    guard let name = value("general.architecture")?.word else { return nil }
    let heads = value(name + ".attention.head_count")?.integer
    return BaseArchitecture(
      name: name, headCount: heads,
      keyValueHeadCount: value(name + ".attention.head_count_kv")?.integer ?? heads)
  }

  private static func json(_ value: GGUFValue) -> JSONValue {
    let content: JSONValue =
      switch value {
      case .bool(let flag): .bool(flag)
      // Bits, since JSON has no infinities and prints others in many ways.
      case .float32(let number): .number(String(number.bitPattern))
      case .float64(let number): .number(String(number.bitPattern))
      case .uint64(let number): .number(String(number))
      case .string(let bytes): value.text.map { .string($0) } ?? .array(bytes.map { JSONValue(Int($0)) })
      case .array(let kind, let values):
        .object(
          JSONObject([("type", .string("\(kind)")), ("values", .array(values.map { json($0) }))]))
      default: JSONValue(value.integer ?? 0)
      }
    return .object(JSONObject([("type", .string("\(value.kind)")), ("value", content)]))
  }

  private static func value(_ json: JSONValue, depth: Int) -> GGUFValue? {
    guard depth < 6, let object = json.object, let type = object["type"]?.word,
      let content = object["value"]
    else { return nil }
    func whole<T: FixedWidthInteger>(_ type: T.Type) -> T? {
      if case .number(let literal) = content { T(literal) } else { nil }
    }
    switch type {
    case "uint8": return whole(UInt8.self).map { .uint8($0) }
    case "int8": return whole(Int8.self).map { .int8($0) }
    case "uint16": return whole(UInt16.self).map { .uint16($0) }
    case "int16": return whole(Int16.self).map { .int16($0) }
    case "uint32": return whole(UInt32.self).map { .uint32($0) }
    case "int32": return whole(Int32.self).map { .int32($0) }
    case "uint64": return whole(UInt64.self).map { .uint64($0) }
    case "int64": return whole(Int64.self).map { .int64($0) }
    case "float32": return whole(UInt32.self).map { .float32(Float(bitPattern: $0)) }
    case "float64": return whole(UInt64.self).map { .float64(Double(bitPattern: $0)) }
    case "bool": return content.bool.map { .bool($0) }
    case "string":
      if let text = content.string { return .text(text) }
      guard let numbers = content.array else { return nil }
      let bytes = numbers.compactMap { $0.int.flatMap { UInt8(exactly: $0) } }
      return bytes.count == numbers.count ? .string(bytes) : nil
    case "array":
      guard let name = content.object?["type"]?.word, let list = content.object?["values"]?.array,
        let kind = (0...12).compactMap({ GGUFValue.Kind(rawValue: $0) }).first(where: { "\($0)" == name })
      else { return nil }
      let values = list.compactMap { value($0, depth: depth + 1) }
      return values.count == list.count && values.allSatisfy { $0.kind == kind } ? .array(kind, values) : nil
    default: return nil
    }
  }
}
