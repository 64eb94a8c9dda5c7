import Foundation
import ModelFiles
import Support
import Yams

/// Takes values out of a recipe by key. A key that no setting took is an error at the end.
package struct RecipeReader {
  let path: String
  var values: [(key: String, node: Node)]
  private var asked: [String] = []
  /// The keys that were taken and hold a value.
  private(set) var stated: Set<String> = []

  /// Keys of Tina's recipes for machinery that this program lacks. They have no effect.
  package static let machinery: Set<String> = [
    "model_post_train_type", "model_post_train_dataset_config", "attn_implementation", "use_peft", "bf16",
    "fp16",
    "use_vllm", "vllm_device", "vllm_gpu_memory_utilization", "vllm_max_model_len", "vllm_dtype",
    "gradient_checkpointing", "gradient_checkpointing_kwargs", "push_to_hub", "hub_strategy",
    "hub_private_repo",
    "hub_model_id", "log_level", "logging_first_step", "logging_steps", "logging_strategy",
    "overwrite_output_dir",
    "report_to", "save_strategy", "output_dir", "run_name", "torch_dtype", "do_eval", "eval_strategy",
    "per_device_eval_batch_size", "remove_unused_columns", "log_completions", "tina_compat",
  ]

  package init(yaml: String, path: String) throws(TrainerError) {
    self.path = path
    let yaml = yaml.begins(with: "\u{FEFF}") ? String(yaml.unicodeScalars.dropFirst()) : yaml
    try Self.checkNesting(yaml, path)
    try Self.checkNames(yaml, path)
    let root: Node?
    do {
      root = try Yams.compose(yaml: yaml)
    } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
      // The parser's own text holds the whole file.
      throw TrainerError(
        .recipe, place: "\(path), line \(context.mark.line)",
        found: "\(keys.prefix(5).map(quoted).joined(separator: ", ")) more than once",
        expected: "each key once",
        advice: "Keep the value that is meant.")
    } catch {
      throw TrainerError(
        .recipe, place: path, found: "no YAML (\("\(error)".prefix(500)))",
        expected: "a mapping of keys to values")
    }
    guard let mapping = root?.mapping else {
      throw TrainerError(.recipe, place: path, found: "no mapping", expected: "a mapping of keys to values")
    }
    values = []
    guard mapping.count <= 1000 else {
      throw TrainerError(
        .recipe, place: path, found: "\(mapping.count) keys", expected: "at most 1000, the names of settings")
    }
    var names: Set<String> = []
    for (key, node) in mapping {
      guard let name = key.string else {
        throw TrainerError(
          .recipe, place: path, found: "a key that is no text", expected: "names of settings")
      }
      if !names.insert(name).inserted {
        throw TrainerError(
          .recipe, place: path + ": " + name, found: "the key twice", expected: "each key once")
      }
      values.append((name, node))
    }
  }

  /// Bounds the nesting, because the parser is recursive.
  static func checkNesting(_ yaml: String, _ path: String) throws(TrainerError) {
    var brackets = 0
    var marks = 0  // Of sequences and keys in one line.
    var previous: UInt8 = 0
    for byte in yaml.utf8 {
      switch byte {
      case UInt8(ascii: "["), UInt8(ascii: "{"): brackets += 1
      case UInt8(ascii: "\n"): marks = 0
      case UInt8(ascii: " "), UInt8(ascii: "\t"):
        if [UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":")].contains(previous) { marks += 1 }
      default: break
      }
      previous = byte
      guard brackets <= 500, marks <= 200 else {
        throw TrainerError(
          .recipe, place: path, found: "lists within lists",
          expected: "a mapping of keys to values or short lists")
      }
    }
  }

  /// Bounds what comparing keys costs: aliases of lists as keys are compared as a whole, each by what it stands for,
  /// and Swift compares long runs of combining marks in quadratic time.
  static func checkNames(_ yaml: String, _ path: String) throws(TrainerError) {
    if let offset = yaml.longMarkRun {
      let line = yaml.utf8.prefix(offset).count { $0 == UInt8(ascii: "\n") } + 1
      throw TrainerError(
        .recipe, place: path + ", line \(line)", found: "more than 30 combining marks in a row",
        expected: "text of some language")
    }
    let values = yaml.utf8.count {
      $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\n")
    }
    guard values <= 20_000 else {
      throw TrainerError(
        .recipe, place: path, found: "\(values) lines and values", expected: "at most 20,000")
    }
    var aliases = 0
    var isStart = true  // of a value, as far as a reader of single bytes can tell
    var stars = 0
    for byte in yaml.utf8 {
      let isName =
        byte >= 0x30 && byte < 0x80 && ![":", "?", "[", "{"].contains(Character(Unicode.Scalar(byte)))
      if stars == 1, isStart, isName || byte == UInt8(ascii: "-") { aliases += 1 }
      stars = byte == UInt8(ascii: "*") ? stars + 1 : 0
      switch byte {
      // Other alphabets have line ends too.
      case 0x00...0x20, UInt8(ascii: "*"), 0x80...: break
      case UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "-"),
        UInt8(ascii: "?"):
        isStart = true
      default: isStart = false
      }
      if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") { isStart = true }
      guard aliases <= 16 else {
        throw TrainerError(
          .recipe, place: path, found: "more than 16 aliases (*name)", expected: "at most 16",
          advice: "Write the values out.")
      }
    }
  }

  package func error(_ key: String, found: String, expected: String, advice: String = "") -> TrainerError {
    TrainerError(.recipe, place: path + ": " + key, found: found, expected: expected, advice: advice)
  }

  mutating func take(_ key: String) -> Node? {
    asked.append(key)
    guard let index = values.firstIndex(where: { $0.key == key }) else { return nil }
    let node = values.remove(at: index).node
    if let scalar = node.scalar, scalar.style == .plain, scalar.string.utf8.count <= 4,
      ["null", "~", ""].contains(scalar.string)
    {
      return nil
    }
    stated.insert(key)
    return node
  }

  /// Whether a key holds a single value.
  func isScalar(_ key: String) -> Bool { values.first { $0.key == key }?.node.scalar != nil }

  private func scalar(_ key: String, _ node: Node, _ expected: String) throws(TrainerError) -> String {
    guard let scalar = node.scalar, scalar.string.utf8.count <= 65536 else {
      throw error(key, found: "something else", expected: expected)
    }
    return scalar.string
  }

  // MARK: Values; nil where the recipe lacks the key

  package mutating func text(_ key: String) throws(TrainerError) -> String? {
    guard let node = take(key) else { return nil }
    return try scalar(key, node, "a text")
  }

  mutating func choice<T: RawRepresentable & CaseIterable>(_ key: String) throws(TrainerError) -> T?
  where T.RawValue == String {
    guard let text = try text(key) else { return nil }
    return try value(key, text)
  }

  /// The case that `text` names.
  package func value<T: RawRepresentable & CaseIterable>(_ key: String, _ text: String) throws(TrainerError)
    -> T
  where T.RawValue == String {
    if let value = T(rawValue: text) { return value }
    let names = T.allCases.map(\.rawValue)
    throw error(
      key, found: text, expected: "one of " + names.joined(separator: ", "),
      advice: Nearest.advice(text, names))
  }

  package mutating func flag(_ key: String) throws(TrainerError) -> Bool? {
    guard let node = take(key) else { return nil }
    return try flag(key, node)
  }

  private func flag(_ key: String, _ node: Node) throws(TrainerError) -> Bool {
    let text = try scalar(key, node, "true or false")
    guard let value = Self.flags[text.lowercased()] else {
      throw error(key, found: text, expected: "true or false")
    }
    return value
  }

  /// The flag that a key holds, without taking it; nil if the value is no flag.
  func peekFlag(_ key: String) -> Bool? {
    values.first { $0.key == key }?.node.scalar.flatMap { Self.flags[$0.string.lowercased()] }
  }

  private static let flags = ["true": true, "false": false, "yes": true, "no": false]

  package mutating func texts(_ key: String) throws(TrainerError) -> [String]? {
    try items(key, "a list of names")?.map { (item) throws(TrainerError) in
      try scalar(key, item, "a list of names")
    }
  }

  mutating func numbers(_ key: String, _ range: ClosedRange<Double>) throws(TrainerError) -> [Double]? {
    try items(key, "a list of numbers")?.map { (item) throws(TrainerError) in try number(key, item, range) }
  }

  private mutating func items(_ key: String, _ expected: String) throws(TrainerError) -> [Node]? {
    guard let node = take(key) else { return nil }
    guard let sequence = node.sequence, sequence.count <= 1000 else {
      throw error(key, found: "something else", expected: expected)
    }
    return Array(sequence)
  }

  /// A number under the only key that a mapping may have.
  mutating func number(
    _ key: String, _ inner: String, _ range: ClosedRange<Double>
  ) throws(TrainerError) -> Double? {
    guard let value = try only(key, inner) else { return nil }
    return try number(key + ": " + inner, value, range)
  }

  /// A flag under the only key that a mapping may have.
  mutating func flag(_ key: String, _ inner: String) throws(TrainerError) -> Bool? {
    guard let value = try only(key, inner) else { return nil }
    return try flag(key + ": " + inner, value)
  }

  /// The value under the only key that a mapping may have.
  private mutating func only(_ key: String, _ inner: String) throws(TrainerError) -> Node? {
    guard let node = take(key) else { return nil }
    guard let mapping = node.mapping else { throw error(key, found: "something else", expected: "a mapping") }
    var result: Node?
    for (name, value) in mapping {
      guard name.string == inner else {
        throw error(key, found: "the key \(name.string ?? "?")", expected: inner)
      }
      result = value
    }
    return result
  }

  package mutating func number(
    _ key: String, _ range: ClosedRange<Double> = Self.anyNumber
  ) throws(TrainerError) -> Double? {
    guard let node = take(key) else { return nil }
    return try number(key, node, range)
  }

  /// A number, or an explicit null; nil where the recipe lacks the key.
  mutating func nullableNumber(_ key: String, _ range: ClosedRange<Double>) throws(TrainerError) -> Double?? {
    let isThere = values.contains { $0.key == key }
    let value = try number(key, range)
    if isThere { stated.insert(key) }
    return isThere ? .some(value) : nil
  }

  package static let anyNumber = -Double.greatestFiniteMagnitude ... .greatestFiniteMagnitude

  func number(
    _ key: String, _ node: Node, _ range: ClosedRange<Double> = Self.anyNumber
  ) throws(TrainerError) -> Double {
    let text = try scalar(key, node, "a number")
    guard let value = Double(text), value.isFinite else {
      throw error(key, found: String(text.prefix(100)), expected: "a number")
    }
    try check(key, value, range)
    return value
  }

  package mutating func integer(
    _ key: String, _ range: ClosedRange<Int> = 0...1 << 53
  ) throws(TrainerError) -> Int? {
    guard let node = take(key) else { return nil }
    let number = try number(key, node)
    guard number.rounded() == number, abs(number) < 0x1p53 else {
      throw error(key, found: "\(number)", expected: "a whole number")
    }
    let value = Int(number)
    guard value >= 0 else { throw error(key, found: "\(value)", expected: "0 or more") }
    try check(key, value, range)
    return value
  }

  private func check<T>(_ key: String, _ value: T, _ range: ClosedRange<T>) throws(TrainerError) {
    guard range.contains(value) else {
      throw error(key, found: "\(value)", expected: "\(range.lowerBound) to \(range.upperBound)")
    }
  }

  /// - Parameters:
  ///   - machinery: keys that may be there without effect; those of Tina's recipes by default.
  ///   - method: the method that has a key which this recipe's lacks.
  /// - Throws: an error for the first key that no setting took.
  package func finish(
    machinery: Set<String> = Self.machinery, method: (String) -> String? = { _ in nil }
  ) throws(TrainerError) {
    guard let unknown = values.first(where: { !machinery.contains($0.key) }) else { return }
    if let method = method(unknown.key) {
      throw error(
        unknown.key, found: "a key of method: \(method)", expected: "keys of the recipe's method",
        advice: "Leave it out, or set method: \(method).")
    }
    throw error(
      unknown.key, found: "a key that no setting has", expected: "the name of a setting",
      advice: Nearest.advice(unknown.key, asked + machinery))
  }
}
