import Foundation
import Yams

/// Takes values out of a recipe by key; what nobody took is an error at the end.
struct RecipeReader {
  private let path: String
  private var values: [(key: String, node: Node)]
  private var asked: [String] = []

  /// Keys of Tina's recipes that concern machinery which this program does not have; they change nothing here.
  private static let machinery: Set<String> = [
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

  init(yaml: String, path: String) throws(TrainerError) {
    self.path = path
    try Self.checkNesting(yaml, path)
    let root: Node?
    do {
      root = try Yams.compose(yaml: yaml)
    } catch {
      throw TrainerError(
        .recipe, place: path, found: "no YAML (\("\(error)".prefix(500)))",
        expected: "a mapping of keys to values")
    }
    guard let mapping = root?.mapping else {
      throw TrainerError(.recipe, place: path, found: "no mapping", expected: "a mapping of keys to values")
    }
    values = []
    for (key, node) in mapping {
      guard let name = key.string else {
        throw TrainerError(
          .recipe, place: path, found: "a key that is no text", expected: "names of settings")
      }
      if values.contains(where: { $0.key == name }) {
        throw TrainerError(
          .recipe, place: path + ": " + name, found: "the key twice", expected: "each key once")
      }
      values.append((name, node))
    }
  }

  /// The parser calls itself for what is nested, so its depth is bounded before.
  private static func checkNesting(_ yaml: String, _ path: String) throws(TrainerError) {
    var brackets = 0
    var marks = 0  // of sequences and keys in one line
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

  func error(_ key: String, found: String, expected: String, advice: String = "") -> TrainerError {
    TrainerError(.recipe, place: path + ": " + key, found: found, expected: expected, advice: advice)
  }

  private mutating func take(_ key: String) -> Node? {
    asked.append(key)
    guard let index = values.firstIndex(where: { $0.key == key }) else { return nil }
    let node = values.remove(at: index).node
    if let scalar = node.scalar, scalar.style == .plain, ["null", "~", ""].contains(scalar.string) {
      return nil
    }
    return node
  }

  private func scalar(_ key: String, _ node: Node, _ expected: String) throws(TrainerError) -> String {
    guard let scalar = node.scalar, scalar.string.utf8.count <= 65536 else {
      throw error(key, found: "something else", expected: expected)
    }
    return scalar.string
  }

  mutating func text(_ key: String) throws(TrainerError) -> String? {
    guard let node = take(key) else { return nil }
    return try scalar(key, node, "a text")
  }

  mutating func number(_ key: String) throws(TrainerError) -> Double? {
    guard let node = take(key) else { return nil }
    return try number(key, node)
  }

  private func number(_ key: String, _ node: Node) throws(TrainerError) -> Double {
    let text = try scalar(key, node, "a number")
    guard let value = Double(text), value.isFinite else {
      throw error(key, found: String(text.prefix(100)), expected: "a number")
    }
    return value
  }

  mutating func integer(_ key: String) throws(TrainerError) -> Int? {
    guard let value = try number(key) else { return nil }
    guard value.rounded() == value, abs(value) < 0x1p53 else {
      throw error(key, found: "\(value)", expected: "a whole number")
    }
    guard value >= 0 else { throw error(key, found: "\(Int(value))", expected: "0 or more") }
    return Int(value)
  }

  mutating func flag(_ key: String) throws(TrainerError) -> Bool? {
    guard let node = take(key) else { return nil }
    let text = try scalar(key, node, "true or false")
    guard let value = Self.flags[text.lowercased()] else {
      throw error(key, found: text, expected: "true or false")
    }
    return value
  }

  /// The value of a key that may be a flag or something else.
  func peekFlag(_ key: String) -> Bool? {
    values.first { $0.key == key }?.node.scalar.flatMap { Self.flags[$0.string.lowercased()] }
  }

  private static let flags = ["true": true, "false": false, "yes": true, "no": false]

  mutating func texts(_ key: String) throws(TrainerError) -> [String]? {
    guard let node = take(key) else { return nil }
    guard let sequence = node.sequence, sequence.count <= 1000 else {
      throw error(key, found: "something else", expected: "a list of names")
    }
    var result: [String] = []
    for item in sequence { result.append(try scalar(key, item, "a list of names")) }
    return result
  }

  mutating func numbers(_ key: String) throws(TrainerError) -> [Double]? {
    guard let node = take(key) else { return nil }
    guard let sequence = node.sequence, sequence.count <= 1000 else {
      throw error(key, found: "something else", expected: "a list of numbers")
    }
    var result: [Double] = []
    for item in sequence { result.append(try number(key, item)) }
    return result
  }

  mutating func choice<T: RawRepresentable & CaseIterable>(_ key: String) throws(TrainerError) -> T?
  where T.RawValue == String {
    guard let text = try text(key) else { return nil }
    guard let value = T(rawValue: text) else {
      let names = T.allCases.map(\.rawValue)
      throw error(
        key, found: text, expected: "one of " + names.joined(separator: ", "),
        advice: Nearest.advice(text, names))
    }
    return value
  }

  mutating func nestedNumber(_ key: String, _ inner: String) throws(TrainerError) -> Double? {
    guard let node = take(key) else { return nil }
    guard let mapping = node.mapping else { throw error(key, found: "something else", expected: "a mapping") }
    var result: Double?
    for (name, value) in mapping {
      guard name.string == inner else {
        throw error(key, found: "the key \(name.string ?? "?")", expected: inner)
      }
      result = try number(key + "." + inner, value)
    }
    return result
  }

  /// - Throws: an error for the first key that nobody asked for.
  func finish() throws(TrainerError) {
    guard let unknown = values.first(where: { !Self.machinery.contains($0.key) }) else { return }
    throw error(
      unknown.key, found: "a key that no setting has", expected: "the name of a setting",
      advice: Nearest.advice(unknown.key, asked + Self.machinery))
  }
}

/// The name that somebody probably meant.
enum Nearest {
  static func advice(_ name: String, _ names: some Swift.Sequence<String>) -> String {
    guard name.utf8.count < 200,
      let best = names.sorted().min(by: { distance(name, $0) < distance(name, $1) })
    else { return "" }
    return "Did you mean \(best)?"
  }

  /// Letters to be changed, left out or added.
  static func distance(_ a: String, _ b: String) -> Int {
    let (x, y) = (Array(a.utf8), Array(b.utf8))
    var row = Array(0...y.count)
    for i in x.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in y.indices {
        let change = diagonal + (x[i] == y[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(change, diagonal + 1, row[j] + 1)
      }
    }
    return row[y.count]
  }
}
