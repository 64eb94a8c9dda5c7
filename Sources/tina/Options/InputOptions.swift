import AdapterFormat
import ArgumentParser
import Foundation
import Hub
import ModelFiles

/// A model, Pico unless given, and a file of JSON lines.
struct ModelAndFile: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "A Hugging Face model directory or a name on the hub; Pico unless given.", valueName: "model"),
    completion: .file())
  var first: String

  @Argument(
    help: ArgumentHelp("A file of JSON lines; - is standard input.", valueName: "file"), completion: .lines)
  var second: String?

  var model: String? { second == nil ? nil : first }

  func lines() throws -> LineReader { try LineReader(path: second ?? first) }
}

/// The base that some formats of adapters need to be read.
struct BaseOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The base, for GGUF adapters of Llama.", valueName: "model"), completion: .model)
  var base: String?

  /// What the base's configuration says; nil if none is named.
  func architecture() throws -> BaseArchitecture? {
    try base.map { try BaseArchitecture(path: try HubAccess.path($0, want: .description)) }
  }

  /// The base's sizes, as a base of `tina run`; nil if none is named.
  func config() throws -> Architecture? {
    guard let path = try base.map({ try HubAccess.path($0, want: .description) }) else { return nil }
    if path.hasSuffix(".json") { return try Architecture(path: path) }
    var isDirectory: ObjCBool = false
    let exists = unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    return exists && isDirectory.boolValue
      ? try Architecture(path: path + "/config.json") : try StoredModel(path: path).config
  }
}
