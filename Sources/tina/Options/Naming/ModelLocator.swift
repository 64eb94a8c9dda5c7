import Foundation
import Hub
import ModelFiles
import TinaRuntime

/// Finds the model that a command is about.
enum ModelLocator {
  /// The model that is named, by a path or as on the hub. When none is named, the base that an adapter on the hub
  /// names, else the one of the user's settings, else Pico.
  static func path(
    _ named: String?, for adapters: [AdapterSource] = [], settings: UserSettings? = nil,
    want: HubWant = .model
  ) throws -> String {
    if let named { return try HubAccess.path(named, want: want) }
    if let adapter = adapters.first, let base = try HubAccess.base(of: adapter) {
      return try HubAccess.path(base, want: want)
    }
    if let model = settings?.model {
      Terminal.note("model: \(printable(model.value)), as \(model.origin) says")
      return try HubAccess.path(model.value, want: want)
    }
    return try pico()
  }

  /// Whether `path` is that of Pico.
  static func isPico(_ path: String) -> Bool { (try? pico()) == path }

  /// Pico's folder: where TINA_PICO says, else Models/pico in the working directory, beside the program, or in a folder
  /// above either, else where a package puts it.
  private static func pico() throws -> String {
    if let named = ProcessInfo.processInfo.environment["TINA_PICO"], !named.isEmpty { return named }
    var searched: [String] = []
    for start in [FileManager.default.currentDirectoryPath, programFolder()].compactMap(\.self) {
      var folder = URL(fileURLWithPath: start, isDirectory: true).standardizedFileURL
      while true {
        let candidate = folder.appending(path: "Models/pico")
        if FileManager.default.fileExists(atPath: candidate.appending(path: "config.json").path) {
          return relative(candidate.path)
        }
        if folder.path == "/" { break }
        folder.deleteLastPathComponent()
      }
      searched.append(start)
    }
    if let installed = programFolder().map({
      URL(fileURLWithPath: $0).appending(path: "../share/tina/Models/pico")
    }) {
      let folder = installed.standardizedFileURL.path
      if FileManager.default.fileExists(atPath: folder + "/config.json") { return folder }
      searched.append(folder)
    }
    throw CommandError(
      """
      no model was named, and Pico was not found: expected a folder Models/pico in \
      \(searched.joined(separator: " or ")) or above. Name a model, or set TINA_PICO to Pico's directory.
      """)
  }

  private static func programFolder() -> String? {
    Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent().path
  }

  private static func relative(_ path: String) -> String {
    let here = FileManager.default.currentDirectoryPath + "/"
    return path.hasPrefix(here) ? String(path.dropFirst(here.count)) : path
  }

  /// Whether a lone argument is a model rather than a prompt: it names a directory or a GGUF file, or looks like a
  /// path.
  static func looksLikeModel(_ argument: String) -> Bool {
    var isDirectory: ObjCBool = false
    let path = expandingTilde(argument)
    let exists = unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    if exists, isDirectory.boolValue || path.hasSuffix(".gguf") { return true }
    return argument.contains("/") && !argument.contains { $0.isWhitespace }
  }
}
