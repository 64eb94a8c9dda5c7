public import ModelFiles

/// The name of something on the hub: `org/name`, `org/name/checkpoint-450` or `org/name/file.gguf`.
///
/// `@revision` after it names another revision than `main`, and `datasets/` before it a repository of data. `hf://…`
/// and the addresses of the hub's web pages are read too.
public struct HubName: Sendable, Hashable, CustomStringConvertible {
  /// What a repository holds.
  public enum Kind: String, Sendable {
    /// A model or an adapter.
    case model
    /// Data.
    case dataset
  }

  /// What the repository holds.
  public let kind: Kind
  /// `org/name`; a few old repositories have no `org`.
  public let repository: String
  /// A folder or file in it; empty for the whole.
  public let path: String
  /// A branch, tag or commit; nil for `main`.
  public let revision: String?

  /// The revision that is asked for.
  public var wantedRevision: String { revision ?? "main" }

  /// The name as it is typed.
  public var description: String {
    (kind == .dataset ? "datasets/" : "") + repository + (path.isEmpty ? "" : "/" + path)
      + (revision.map { "@" + $0 } ?? "")
  }

  /// Reads a name.
  ///
  /// - Throws: ``HubError`` that says what is wrong with it.
  public init(_ text: String) throws(HubError) {
    var rest = text
    var revision: String?
    if let (stripped, given) = Self.fromWebAddress(text) {
      rest = stripped
      revision = given
    } else if rest.hasPrefix("hf://") {
      rest = String(rest.dropFirst(5))
    }
    var parts = rest.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    if parts.count > 1, parts.last == "" { parts.removeLast() }
    var kind = Kind.model
    if parts.count > 2 || text.hasPrefix("hf://"), parts.count > 1,
      parts[0] == "datasets" || parts[0] == "models"
    {
      kind = parts[0] == "datasets" ? .dataset : .model
      parts.removeFirst()
    }
    if revision == nil {
      if text.hasPrefix("hf://") {
        // In `hf://org/name@revision/folder` the folder follows the revision.
        if parts.count > 1, let at = parts[1].lastIndex(of: "@") {
          let count = parts[1][at...] == "@refs" ? 3 : 1
          let last = min(1 + count, parts.count)
          revision = ([String(parts[1][parts[1].index(after: at)...])] + parts[2..<last]).joined(
            separator: "/")
          parts.removeSubrange(2..<last)
          parts[1] = String(parts[1][..<at])
        }
      } else if let index = parts.lastIndex(where: { $0.contains("@") }),
        let at = parts[index].lastIndex(of: "@")
      {
        // In other names everything after @ is the revision, whose name may hold slashes.
        let first = String(parts[index][parts[index].index(after: at)...])
        revision = ([first] + parts[(index + 1)...]).joined(separator: "/")
        parts.removeSubrange((index + 1)...)
        parts[index] = String(parts[index][..<at])
      }
    }
    let count = min(parts.count, 2)
    try self.init(
      kind: kind, repository: parts[..<count].joined(separator: "/"),
      path: parts[count...].joined(separator: "/"), revision: revision, text: text)
  }

  /// Makes a name of its parts.
  ///
  /// - Throws: ``HubError`` if one of them cannot be.
  public init(
    kind: Kind = .model, repository: String, path: String = "", revision: String? = nil
  ) throws(HubError) {
    try self.init(kind: kind, repository: repository, path: path, revision: revision, text: repository)
  }

  private init(
    kind: Kind, repository: String, path: String, revision: String?, text: String
  ) throws(HubError) {
    let expected = "org/name, org/name/folder or org/name/file, with @revision if not main"
    guard Self.isRepository(repository) else {
      throw HubError(
        .badName, file: text, found: "no name of a repository", expected: expected,
        advice: "Names hold letters, digits, -, _ and . only.")
    }
    guard path.isEmpty || Self.isSafePath(path) else {
      throw HubError(.badName, file: text, found: "no path within a repository", expected: expected)
    }
    if let revision, !Self.isRevision(revision) {
      throw HubError(
        .badName, file: text, found: "no name of a revision after @",
        expected: "a branch, a tag or a commit, such as @main")
    }
    self.kind = kind
    self.repository = repository
    self.path = path
    self.revision = revision
  }

  /// Whether a text that is no path on this machine can be a name on the hub: it has the form `org/name…`, and does
  /// not begin like a path.
  public static func isMeant(by text: String) -> Bool {
    if text.hasPrefix("hf://") || text.hasPrefix("https://") { return (try? HubName(text)) != nil }
    guard !text.hasPrefix("/"), !text.hasPrefix("."), !text.hasPrefix("~"), !text.hasSuffix("/") else {
      return false
    }
    guard let name = try? HubName(text) else { return false }
    return name.repository.utf8.contains(UInt8(ascii: "/"))
  }

  /// `https://huggingface.co/org/name/tree/main/folder` as a name and a revision.
  private static func fromWebAddress(_ text: String) -> (String, String?)? {
    for host in ["https://huggingface.co/", "https://hf.co/"] where text.hasPrefix(host) {
      var parts = text.dropFirst(host.count).split(separator: "/").map(String.init)
      let at = parts.first == "datasets" ? 3 : 2
      guard parts.count > at + 1, ["tree", "blob", "resolve"].contains(parts[at]) else {
        return (parts.joined(separator: "/"), nil)
      }
      let revision = parts[at + 1]
      parts.removeSubrange(at...at + 1)
      return (parts.joined(separator: "/"), revision)
    }
    return nil
  }

  /// The hub's own rules for names.
  static func isRepository(_ name: String) -> Bool {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), name.utf8.count <= 96, !name.contains("--"), !name.contains("..")
    else { return false }
    return parts.allSatisfy { part in
      guard let first = part.utf8.first, let last = part.utf8.last else { return false }
      let ends = [UInt8(ascii: "-"), UInt8(ascii: ".")]
      return !ends.contains(first) && !ends.contains(last)
        && part.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  /// Whether a path stays within its folder on any system, and holds no control characters.
  static func isSafePath(_ path: String) -> Bool {
    guard path.utf8.count <= 1024 else { return false }
    return path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
      !part.isEmpty && part != "." && part != ".." && part.utf8.count <= 255
        && part.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") }
    }
  }

  /// Git's rules for names of branches and tags, as far as they matter here.
  static func isRevision(_ name: String) -> Bool {
    isSafePath(name) && name.utf8.count <= 255 && !name.contains("..") && !name.contains("@{")
      && !name.hasPrefix("-") && !name.hasSuffix(".lock")
      && name.utf8.allSatisfy { $0 < 0x80 && !" ~^:?*[\"<>|".utf8.contains($0) }
  }

  /// Whether a text is a whole commit hash.
  static func isCommit(_ text: String) -> Bool { text.utf8.count == 40 && isHexadecimal(text) }

  static func isHexadecimal(_ text: String) -> Bool {
    text.utf8.allSatisfy {
      switch $0 {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
      default: false
      }
    }
  }
}
