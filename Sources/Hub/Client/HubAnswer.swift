import ModelFiles

/// A JSON text from the hub, which may be malformed or hostile.
struct HubAnswer {
  let bytes: [UInt8]
  /// Where it came from, for errors.
  let url: String

  private static let advice = "Check HF_ENDPOINT, and whether a proxy stands between."

  init(_ bytes: [UInt8], url: String) {
    self.bytes = bytes
    self.url = url
  }

  /// The commit of a revision's description: its member "sha".
  func commit() throws(HubError) -> String {
    // The description can be long, and one member is wanted.
    let commit = try read { () throws(ModelFilesError) -> String? in
      var reader = try JSONReader(bytes, file: url, rules: .configuration)
      var commit: String?
      try reader.beginObject()
      while let key = try reader.nextKey() {
        if reader.word(key) == "sha", commit == nil, try reader.peek() == .string {
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
        .badAnswer, file: url, found: commit.map { quoted($0) } ?? "no \"sha\"",
        expected: "the hash of a commit",
        advice: Self.advice)
    }
    return commit
  }

  /// The entries of a list of files and folders.
  ///
  /// - Parameter folder: the folder that is listed: nothing else may be in the list.
  func entries(of folder: String) throws(HubError) -> [(path: String, file: HubFile?)] {
    let value = try read { () throws(ModelFilesError) in
      try JSON.parse(bytes, file: url, rules: .configuration)
    }
    guard let values = value.array else {
      throw HubError(
        .badAnswer, file: url, found: value.summary, expected: "a list of files", advice: Self.advice)
    }
    var entries: [(path: String, file: HubFile?)] = []
    for value in values { entries.append(try entry(value, folder)) }
    return entries
  }

  private func read<Value>(_ body: () throws(ModelFilesError) -> Value) throws(HubError) -> Value {
    do throws(ModelFilesError) {
      return try body()
    } catch {
      throw HubError(
        .badAnswer, file: url, found: "at \(error.place): " + error.found, expected: error.expected,
        advice: Self.advice)
    }
  }

  /// One entry of a list: a file, or nil for a folder.
  private func entry(
    _ value: JSONValue, _ folder: String
  ) throws(HubError) -> (path: String, file: HubFile?) {
    guard let path = value.object?["path"]?.string, let type = value.object?["type"]?.word else {
      throw HubError(
        .badAnswer, file: url, found: value.summary, expected: "an entry with \"path\" and \"type\"")
    }
    guard HubName.isSafePath(path), folder.isEmpty || path.hasPrefix(folder + "/") else {
      throw HubError(
        .badAnswer, file: url, found: "the path " + quoted(path),
        expected: folder.isEmpty ? "paths within the repository" : "paths within " + quoted(folder),
        advice: "Don't use this repository: its list would write outside its folder.")
    }
    guard type == "file" else { return (path, nil) }
    let lfs = value.object?["lfs"]?.object
    let digest = lfs?["oid"]?.string ?? value.object?["oid"]?.string ?? ""
    let size = lfs?["size"]?.int ?? value.object?["size"]?.int ?? -1
    guard digest.utf8.count == (lfs == nil ? 40 : 64), HubName.isHexadecimal(digest) else {
      throw HubError(
        .badAnswer, file: url, found: "\(quoted(path)) with the digest \(quoted(digest))",
        expected: lfs == nil ? "40 hexadecimal digits" : "64 hexadecimal digits")
    }
    // The bound keeps sums of sizes within an Int.
    guard (0...1 << 45).contains(size) else {
      throw HubError(
        .badAnswer, file: url, found: "\(quoted(path)) of \(size == -1 ? "no size" : "\(size) bytes")",
        expected: "a size of at most 35 TB")
    }
    return (path, HubFile(path: path, size: size, digest: digest))
  }
}
