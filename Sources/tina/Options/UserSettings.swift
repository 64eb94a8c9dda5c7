import Foundation
import ModelFiles
import Support
import TinaRuntime
import Yams

/// What holds where the command line says nothing: an environment variable, else the user's configuration file.
struct UserSettings {
  /// A value, and what set it.
  struct Setting<Value> {
    let value: Value
    let origin: String
  }

  /// The names in the file; the variable of `model` is TINA_MODEL.
  enum Key: String, CaseIterable {
    case model, adapter, threads, activations

    var variable: String { "TINA_" + rawValue.uppercased() }
  }

  let model: Setting<String>?
  let adapter: Setting<String>?
  let threads: Setting<Int>?
  let activations: Setting<ActivationChoice>?

  /// The settings of this process.
  static func current() throws -> UserSettings {
    try UserSettings(environment: ProcessInfo.processInfo.environment)
  }

  init(environment: [String: String]) throws {
    var texts = try UserSettingsFile.path(environment).map { try UserSettingsFile.read($0) } ?? [:]
    for key in Key.allCases {
      if let text = environment[key.variable], !text.isEmpty {
        texts[key] = Setting(value: text, origin: key.variable)
      }
    }
    model = texts[.model]
    adapter = texts[.adapter]
    threads = try texts[.threads].map(Self.threads)
    activations = try texts[.activations].map(Self.activations)
  }

  /// The adapter for commands that name neither a model nor an adapter. Says on standard error that there is one.
  func adapterUnlessNamed() throws -> AdapterSource? {
    guard let adapter else { return nil }
    guard let source = AdapterSource(argument: adapter.value) else {
      throw CommandError(
        "\(adapter.origin): found an adapter of no name, expected a path or a name on the hub.")
    }
    Terminal.note("adapter: \(printable(adapter.value)), as \(adapter.origin) says")
    return source
  }

  private static func threads(_ text: Setting<String>) throws -> Setting<Int> {
    guard let count = Int(text.value), ThreadCount.range.contains(count) else {
      let range = ThreadCount.range
      throw CommandError(
        "\(text.origin): found threads \(quoted(text.value)), expected \(range.lowerBound) to \(range.upperBound)."
      )
    }
    return Setting(value: count, origin: text.origin)
  }

  private static func activations(_ text: Setting<String>) throws -> Setting<ActivationChoice> {
    guard let type = ActivationChoice(rawValue: text.value) else {
      let known = ActivationChoice.allCases.map(\.rawValue).joined(separator: ", ")
      throw CommandError("\(text.origin): found activations \(quoted(text.value)), expected one of \(known).")
    }
    return Setting(value: type, origin: text.origin)
  }
}

/// The user's configuration file: YAML, a text for each key.
private enum UserSettingsFile {
  /// Larger files are no settings.
  private static let byteLimit = 1 << 16

  /// Where TINA_CONFIG says, else tina/config.yaml in XDG_CONFIG_HOME or ~/.config; nil if there is none.
  static func path(_ environment: [String: String]) -> String? {
    if let named = environment["TINA_CONFIG"] { return named.isEmpty ? nil : expandingTilde(named) }
    // Relative paths are to be ignored: https://specifications.freedesktop.org/basedir-spec
    let folder = environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    let path = (folder ?? expandingTilde("~/.config")) + "/tina/config.yaml"
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }

  static func read(_ path: String) throws -> [UserSettings.Key: UserSettings.Setting<String>] {
    let name = printable(path)
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandError("\(name) can't be read; expected a file of settings, such as \"threads: 4\".")
    }
    guard data.count <= byteLimit, let text = String(validating: data, as: UTF8.self),
      // The parser is recursive.
      text.utf8.count(where: { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") }) <= 100
    else {
      throw CommandError(
        "\(name): found \(data.count) bytes that are no settings, expected lines such as \"threads: 4\".")
    }
    let root: Node?
    do { root = try Yams.compose(yaml: text) } catch {
      throw CommandError(
        "\(name): found no YAML (\(printable("\(error)", limit: 300))), expected lines such as \"threads: 4\"."
      )
    }
    guard let root else { return [:] }
    guard let mapping = root.mapping else {
      throw CommandError("\(name): found no keys, expected lines such as \"threads: 4\".")
    }
    var found: [UserSettings.Key: UserSettings.Setting<String>] = [:]
    for (key, node) in mapping {
      let place = name + (key.mark.map { ", line \($0.line)" } ?? "")
      let word = key.string ?? ""
      guard let known = UserSettings.Key(rawValue: word) else { throw unknown(word, place) }
      guard let scalar = node.scalar else {
        throw CommandError("\(place): found more than one value for \(word), expected one.")
      }
      if scalar.style == .plain, ["", "~", "null"].contains(scalar.string) { continue }
      found[known] = UserSettings.Setting(value: scalar.string, origin: place)
    }
    return found
  }

  private static func unknown(_ word: String, _ place: String) -> CommandError {
    let names = UserSettings.Key.allCases.map(\.rawValue)
    return CommandError(
      "\(place): found the key \(quoted(word)), expected one of \(names.joined(separator: ", "))."
        + " \(Nearest.advice(word, names))")
  }
}
