public import Foundation
public import ModelFiles
import Transfer

/// The address of the hub, the token, and the folder of the cache, read from the environment as Hugging Face's own
/// programs do.
public struct HubSettings: Sendable {
  /// The hub's address.
  let endpoint: WebAddress
  /// The folder of the cache.
  public let cache: String
  /// The user's token, which is never shown; nil without one.
  let token: String?
  /// Whether the hub must not be asked (`HF_HUB_OFFLINE`).
  public let isOffline: Bool
  /// Seconds without a byte after which a connection counts as broken.
  let idleSeconds: Int
  /// A file of certificates instead of the system's.
  let certificates: String?
  /// Whether snapshots hold the files themselves (`HF_HUB_DISABLE_SYMLINKS`).
  let avoidsLinks: Bool

  /// The hub's address as text.
  public var endpointText: String {
    let text = endpoint.text
    return text.hasSuffix("/") ? String(text.dropLast()) : text
  }

  /// Reads `HF_ENDPOINT`, `HF_TOKEN` or the token file, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`, and the other
  /// variables of Hugging Face's `huggingface_hub` that say where files are.
  ///
  /// - Parameter environment: variables; those of the process unless given.
  /// - Throws: ``HubError`` for a value that cannot be.
  public init(environment: [String: String] = ProcessInfo.processInfo.environment) throws(HubError) {
    let values = environment.filter { !$0.value.isEmpty }
    func path(_ text: String) -> String { Self.expanded(text, values) }
    let address = values["HF_ENDPOINT"] ?? "https://huggingface.co"
    guard let endpoint = WebAddress(address), !endpoint.path.contains("?") else {
      throw HubError(
        .badName, file: "HF_ENDPOINT", found: quoted(address),
        expected: "an address such as https://huggingface.co"
      )
    }
    self.endpoint = endpoint
    let home = path(values["HF_HOME"] ?? (values["XDG_CACHE_HOME"] ?? "~/.cache") + "/huggingface")
    cache = Self.absolute(
      path(values["HF_HUB_CACHE"] ?? values["HUGGINGFACE_HUB_CACHE"] ?? home + "/hub"))
    token = try Self.token(values, home: home)
    func isTrue(_ name: String) -> Bool {
      ["1", "ON", "YES", "TRUE"].contains((values[name] ?? "").uppercased())
    }
    isOffline =
      isTrue("HF_HUB_OFFLINE") || (values["HF_HUB_OFFLINE"] == nil && isTrue("TRANSFORMERS_OFFLINE"))
    avoidsLinks = isTrue("HF_HUB_DISABLE_SYMLINKS")
    idleSeconds = min(max(values["HF_HUB_DOWNLOAD_TIMEOUT"].flatMap { Int($0) } ?? 30, 1), 3600)
    certificates =
      ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"].lazy.compactMap { values[$0] }.first
  }

  private static func token(_ values: [String: String], home: String) throws(HubError) -> String? {
    if ["1", "ON", "YES", "TRUE"].contains((values["HF_HUB_DISABLE_IMPLICIT_TOKEN"] ?? "").uppercased()) {
      return nil
    }
    var source = "HF_TOKEN"
    var text = values["HF_TOKEN"] ?? values["HUGGING_FACE_HUB_TOKEN"]
    if text == nil {
      source = expanded(values["HF_TOKEN_PATH"] ?? home + "/token", values)
      guard let file = FileHandle(forReadingAtPath: source) else { return nil }
      defer { try? file.close() }
      text = (try? file.read(upToCount: 4096)).map { String(decoding: $0, as: UTF8.self) }
    }
    let token = (text ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    if token.isEmpty { return nil }
    // The token becomes part of a header, where a line end would begin another header.
    guard token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), token.utf8.count < 4096 else {
      throw HubError(
        .badName, file: source, found: "a token with blanks or control characters",
        expected: "a token as the hub gives it (hf_…)", advice: "Copy it again.")
    }
    return token
  }

  /// `~` and `$VARIABLE` as Python's `expanduser` and `expandvars` replace them.
  private static func expanded(_ text: String, _ values: [String: String]) -> String {
    var out = ""
    var rest = text[...]
    while let dollar = rest.firstIndex(of: "$") {
      out += rest[..<dollar]
      var name = rest[rest.index(after: dollar)...]
      let isBraced = name.hasPrefix("{") && name.contains("}")
      if isBraced {
        name = name.dropFirst().prefix { $0 != "}" }
      } else {
        name = name.prefix { $0 == "_" || ($0.isASCII && ($0.isLetter || $0.isNumber)) }
      }
      let end = isBraced ? rest.index(after: name.endIndex) : name.endIndex
      out += values[String(name)] ?? String(rest[dollar..<end])
      rest = rest[end...]
    }
    out += rest
    if out == "~" || out.hasPrefix("~/"), let home = values["HOME"] { return home + out.dropFirst() }
    return NSString(string: out).expandingTildeInPath
  }

  private static func absolute(_ path: String) -> String {
    var path = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }
}
