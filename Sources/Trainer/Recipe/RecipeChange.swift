package import ModelFiles
import Support
import Yams

/// A value that stands in the place of a recipe's: `lora_r=16`, as `tina train --set` takes it.
public struct RecipeChange: Sendable, Equatable {
  /// The recipe's key.
  public let key: String
  /// The value in YAML.
  public let value: String

  /// Reads `key=value`; nil without a key or without `=`.
  public init?(_ argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    let key = String(parts[0]).trimming { $0 == " " }
    guard !key.isEmpty, key.utf8.count < 200 else { return nil }
    self.key = key
    value = String(parts[1])
  }

  package init(_ key: String, _ value: JSONValue) {
    self.key = key
    self.value = Self.text(value)
  }

  /// As it is given on the command line.
  package var argument: String { key + "=" + value }

  /// A value in YAML: names and numbers as they are, anything else as JSON, which YAML holds.
  package static func text(_ value: JSONValue) -> String {
    guard case .string(let text) = value else { return value.text() }
    let isName =
      !text.isEmpty
      && text.utf8.allSatisfy { byte in
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
          || [UInt8(ascii: "_"), UInt8(ascii: "/"), UInt8(ascii: ".")].contains(byte)
      }
    let isOther = Double(text) != nil || ["true", "false", "yes", "no", "null"].contains(text.lowercased())
    return isName && !isOther ? text : value.text()
  }
}

extension String {
  fileprivate func trimming(_ isBlank: (Character) -> Bool) -> String {
    String(drop(while: isBlank).reversed().drop(while: isBlank).reversed())
  }
}

extension RecipeReader {
  /// Puts a value in the place of the file's, or beside its others.
  mutating func change(_ change: RecipeChange) throws(TrainerError) {
    guard change.value.utf8.count <= 65536 else {
      throw error(change.key, found: "\(change.value.utf8.count) bytes", expected: "at most 65,536")
    }
    try Self.checkNesting(change.value, path)
    try Self.checkNames(change.value, path)
    let node: Node
    do {
      node = try Yams.compose(yaml: change.value) ?? Node("", Tag(.implicit), .plain)
    } catch {
      throw self.error(
        change.key, found: "no YAML (\(change.value.prefix(100)))", expected: "a value as a recipe has it")
    }
    if let index = values.firstIndex(where: { $0.key == change.key }) {
      values[index].node = node
    } else {
      values.append((change.key, node))
    }
  }

  /// The values that JSON can hold.
  var plain: [(key: String, value: JSONValue)] {
    values.compactMap { key, node in (try? json(key, node, depth: 0)).map { (key, $0) } }
  }

  /// All keys and values, as JSON.
  package func all() throws(TrainerError) -> JSONObject {
    JSONObject(
      try values.map { (key, node) throws(TrainerError) in (key, try json(key, node, depth: 0)) })
  }

  /// Any value, as JSON; nil where the file lacks the key.
  package mutating func json(_ key: String) throws(TrainerError) -> JSONValue? {
    guard let node = take(key) else { return nil }
    return try json(key, node, depth: 0)
  }

  private func json(_ key: String, _ node: Node, depth: Int) throws(TrainerError) -> JSONValue {
    guard depth < 8 else {
      throw error(key, found: "lists within lists", expected: "values of at most 8 levels")
    }
    switch node {
    case .scalar(let scalar):
      guard scalar.string.utf8.count <= 65536 else {
        throw error(key, found: "\(scalar.string.utf8.count) bytes", expected: "at most 65,536")
      }
      return Self.plain(scalar)
    case .sequence(let sequence):
      guard sequence.count <= 1000 else {
        throw error(key, found: "\(sequence.count) values", expected: "at most 1000")
      }
      return .array(
        try sequence.map { (item) throws(TrainerError) in try json(key, item, depth: depth + 1) })
    case .mapping(let mapping):
      guard mapping.count <= 1000 else {
        throw error(key, found: "\(mapping.count) keys", expected: "at most 1000")
      }
      return .object(
        JSONObject(
          try mapping.map { (name, value) throws(TrainerError) in
            guard let name = name.string else {
              throw error(key, found: "a key that is no text", expected: "names of settings")
            }
            return (name, try json(key, value, depth: depth + 1))
          }))
    case .alias:
      throw error(key, found: "an alias", expected: "the value itself")
    }
  }

  private static func plain(_ scalar: Node.Scalar) -> JSONValue {
    let text = scalar.string
    guard scalar.style == .plain else { return .string(text) }
    switch text.lowercased() {
    case "null", "~", "": return .null
    case "true": return .bool(true)
    case "false": return .bool(false)
    default: break
    }
    guard let number = Double(text), number.isFinite else { return .string(text) }
    // As it is written, if JSON writes numbers so.
    let isJSON = (try? JSON.parse(Array(text.utf8), file: ""))?.double != nil
    return isJSON ? .number(text) : JSONValue(number)
  }
}
