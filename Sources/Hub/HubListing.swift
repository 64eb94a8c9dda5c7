import ModelFiles

/// A file as the hub lists it.
struct HubFile: Sendable, Equatable {
  /// From the root of the repository.
  let path: String
  /// In bytes.
  let size: Int
  /// What the file's name in the cache is made of: SHA-256 of the contents for large files, git's digest for small
  /// ones.
  let digest: String

  /// Whether ``digest`` is a SHA-256.
  var isLarge: Bool { digest.utf8.count == 64 }

  /// The name after the last slash.
  var name: String { path.split(separator: "/").last.map(String.init) ?? path }
}

/// What a folder of a repository holds, at one commit.
struct HubListing: Sendable {
  let commit: String
  let files: [HubFile]
  /// Folders, from the root of the repository.
  let folders: [String]
}

extension HubClient {
  /// More files than any repository of models has.
  private static let entryLimit = 100_000

  private func api(_ name: HubName, _ parts: [String], query: String = "") -> WebAddress {
    settings.endpoint.appending(
      ["api", name.kind == .dataset ? "datasets" : "models"]
        + name.repository.split(separator: "/").map(String.init)
        + parts, query: query)
  }

  /// The commit that a name's revision stands for now.
  func commit(of name: HubName) throws(HubError) -> String {
    if let revision = name.revision, HubName.isCommit(revision) { return revision }
    let url = api(name, ["revision", name.wantedRevision])
    let (bytes, _) = try json(url, place: "\(name)", name: name)
    // Only one member is wanted of what can be a long description.
    let commit = try read(url) { () throws(ModelFilesError) -> String? in
      var reader = try JSONReader(bytes, file: url.text)
      var commit: String?
      try reader.beginObject()
      while let key = try reader.nextKey() {
        if reader.decoded(key) == "sha", commit == nil, try reader.peek() == .string {
          commit = try reader.string()
        } else {
          try reader.skip()
        }
      }
      try reader.finish()
      return commit
    }
    guard let commit, HubName.isCommit(commit) else {
      throw HubError(
        .badAnswer, url.text, found: commit.map { quoted($0) } ?? "no \"sha\"",
        expected: "the hash of a commit",
        advice: "Check HF_ENDPOINT, and whether a proxy stands between.")
    }
    return commit
  }

  private func read<Value>(
    _ url: WebAddress, _ body: () throws(ModelFilesError) -> Value
  ) throws(HubError) -> Value {
    do throws(ModelFilesError) {
      return try body()
    } catch {
      throw HubError(
        .badAnswer, url.text, found: "at \(error.place): " + error.found, expected: error.expected,
        advice: "Check HF_ENDPOINT, and whether a proxy stands between.")
    }
  }

  /// Files and folders of a folder.
  ///
  /// - Parameters:
  ///   - folder: from the root of the repository; empty for the root.
  ///   - isDeep: whether what is in its folders is listed too.
  func listing(
    of name: HubName, commit: String, folder: String, isDeep: Bool = false
  ) throws(HubError) -> HubListing {
    var files: [HubFile] = []
    var folders: [String] = []
    var seen: Set<[UInt8]> = []
    var url: WebAddress? = api(
      name, ["tree", commit] + (folder.isEmpty ? [] : [folder]), query: "?recursive=\(isDeep)&expand=false")
    var pages = 0
    while let page = url {
      pages += 1
      let (bytes, head) = try json(page, place: "\(name)", name: name)
      let value = try read(page) { () throws(ModelFilesError) in try JSON.parse(bytes, file: page.text) }
      guard let entries = value.array else {
        throw HubError(.badAnswer, page.text, found: value.summary, expected: "a list of files")
      }
      for entry in entries {
        guard seen.count < Self.entryLimit, pages < 1000 else {
          throw HubError(
            .badAnswer, page.text, found: "more than \(Self.entryLimit) files", expected: "fewer",
            advice: "Name a folder of the repository.")
        }
        let (path, file) = try Self.entry(entry, page, folder)
        guard seen.insert(Array(path.utf8)).inserted else {
          throw HubError(
            .badAnswer, page.text, found: quoted(path) + " a second time", expected: "every file once")
        }
        if let file { files.append(file) } else { folders.append(path) }
      }
      url = try nextPage(head, page)
    }
    return HubListing(
      commit: commit, files: files.sorted { $0.path < $1.path }, folders: folders.sorted())
  }

  /// One entry of a list: a file, or nil for a folder.
  private static func entry(
    _ value: JSONValue, _ page: WebAddress, _ folder: String
  ) throws(HubError) -> (path: String, file: HubFile?) {
    guard let path = value.object?["path"]?.string, let type = value.object?["type"]?.string else {
      throw HubError(
        .badAnswer, page.text, found: value.summary, expected: "an entry with \"path\" and \"type\"")
    }
    guard HubName.isSafePath(path), folder.isEmpty || path.hasPrefix(folder + "/") else {
      throw HubError(
        .badAnswer, page.text, found: "the path " + quoted(path),
        expected: folder.isEmpty ? "paths within the repository" : "paths within " + quoted(folder),
        advice: "Don't use this repository: its list would write outside its folder.")
    }
    guard type == "file" else { return (path, nil) }
    let lfs = value.object?["lfs"]?.object
    let digest = lfs?["oid"]?.string ?? value.object?["oid"]?.string ?? ""
    let size = lfs?["size"]?.int ?? value.object?["size"]?.int ?? -1
    guard digest.utf8.count == (lfs == nil ? 40 : 64), HubName.isHexadecimal(digest) else {
      throw HubError(
        .badAnswer, page.text, found: "\(quoted(path)) with the digest \(quoted(digest))",
        expected: lfs == nil ? "40 hexadecimal digits" : "64 hexadecimal digits")
    }
    // The bound keeps sums of sizes within an Int.
    guard (0...1 << 45).contains(size) else {
      throw HubError(
        .badAnswer, page.text, found: "\(quoted(path)) of \(size == -1 ? "no size" : "\(size) bytes")",
        expected: "a size of at most 35 TB")
    }
    return (path, HubFile(path: path, size: size, digest: digest))
  }

  /// The address after `rel="next"` of a Link field. A mirror may hand out the hub's own address: it is asked all
  /// the same.
  private func nextPage(_ head: HTTPHead, _ page: WebAddress) throws(HubError) -> WebAddress? {
    guard let link = head["link"] else { return nil }
    for part in link.split(separator: ",") where part.contains("rel=\"next\"") {
      guard let open = part.firstIndex(of: "<"), let close = part.firstIndex(of: ">"), open < close,
        let target = page.resolving(String(part[part.index(after: open)..<close]))
      else { break }
      if target.origin == settings.endpoint.origin { return target }
      if target.host == "huggingface.co", let moved = WebAddress(settings.endpoint.origin + target.path) {
        return moved
      }
      throw HubError(
        .badAnswer, page.text, found: "a next page at " + target.origin,
        expected: "it at " + settings.endpoint.origin)
    }
    return nil
  }

  /// Where a file is to be had.
  func address(of file: HubFile, in name: HubName, commit: String) -> WebAddress {
    let parts = (name.kind == .dataset ? "datasets/" : "") + name.repository
    return settings.endpoint.appending(
      parts.split(separator: "/").map(String.init) + ["resolve", commit]
        + file.path.split(separator: "/").map(String.init))
  }
}
