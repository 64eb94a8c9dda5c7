import ArgumentParser
import Foundation
import Transfer

/// A server elsewhere that answers instead of this process.
struct EndpointOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Ask this server, which speaks OpenAI's protocol, instead of running a model here.", valueName: "url"))
  var endpoint: String?

  @Option(
    name: .customLong("model"),
    help: ArgumentHelp(
      "A model of the server, with a name for the results before = if wanted; repeatable. All of them unless given.",
      valueName: "name"))
  var models: [String] = []

  @Option(help: "Requests that are under way at the server at once.")
  var connections = 32

  @Option(
    help: ArgumentHelp(
      "A file whose first line is the server's key; the environment variable TINA_API_KEY unless given.",
      valueName: "file"), completion: .file())
  var apiKeyFile: String?

  func validate() throws {
    if !(1...1024).contains(connections) {
      throw ValidationError("--connections: found \(connections), expected 1 to 1024.")
    }
    guard endpoint == nil else { return }
    if let model = models.first {
      throw ValidationError("--model: found \(model) without --endpoint, expected the server that has it.")
    }
    if apiKeyFile != nil { throw ValidationError("--api-key-file: found no --endpoint beside it.") }
  }

  /// A client of the server; nil where this process runs the model.
  func client() throws -> ServerClient? {
    guard let endpoint else { return nil }
    return try ServerClient(
      endpoint, key: try ServerKey(file: apiKeyFile).text, connections: connections,
      onWait: { Terminal.note($0) })
  }

  /// The models as they were named: the name in results, if given, and the server's own. A name of a model may hold =
  /// only behind the first.
  var named: [(name: String?, model: String)] {
    models.map { text in
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      return parts.count == 2 && !parts[0].isEmpty && !parts[1].isEmpty
        ? (parts[0], parts[1]) : (nil, text)
    }
  }
}

/// The key of a server, from a file or the environment. It is never shown.
struct ServerKey {
  /// Nil for none.
  let text: String?

  /// - Parameters:
  ///   - given: the key itself.
  ///   - file: the file whose first line is the key. Without both it is the variable TINA_API_KEY.
  /// - Throws: `CommandError` for a file that can't be read, and an empty key.
  init(given: String? = nil, file: String?) throws {
    let environment = ProcessInfo.processInfo.environment["TINA_API_KEY"]
    var found = given ?? (environment?.isEmpty == false ? environment : nil)
    if let file {
      let path = expandingTilde(file)
      guard let handle = FileHandle(forReadingAtPath: path),
        let bytes = try? handle.read(upToCount: 8192)
      else { throw CommandError("--api-key-file: \(file) can't be read. Name a readable file.") }
      found =
        String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first.map { String($0) }
        ?? ""
    }
    text = found?.trimmingCharacters(in: .whitespaces)
    if text?.isEmpty == true {
      throw CommandError("the API key is empty: expected at least one character. Leave it out, or give one.")
    }
  }
}
