import ModelFiles
import Transfer

extension HubClient {
  /// More files than any repository of models has.
  private static let entryLimit = 100_000
  private static let pageLimit = 1000

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
    return try HubAnswer(bytes, url: url.text).commit()
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
      let (bytes, head) = try json(page, place: "\(name)", name: name)
      pages += 1
      for entry in try HubAnswer(bytes, url: page.text).entries(of: folder) {
        guard seen.insert(Array(entry.path.utf8)).inserted else {
          throw HubError(
            .badAnswer, file: page.text, found: quoted(entry.path) + " a second time",
            expected: "every file once")
        }
        if let file = entry.file { files.append(file) } else { folders.append(entry.path) }
      }
      guard seen.count <= Self.entryLimit, pages < Self.pageLimit else {
        throw HubError(
          .badAnswer, file: page.text, found: "more than \(Self.entryLimit) files or \(Self.pageLimit) pages",
          expected: "fewer", advice: "Name a folder of the repository.")
      }
      url = try nextPage(head, page)
    }
    return HubListing(
      commit: commit, files: files.sorted { $0.path < $1.path }, folders: folders.sorted())
  }

  /// The address of the next page, from a Link field with `rel="next"`. A mirror may name the hub itself there; the
  /// mirror is asked all the same.
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
        .badAnswer, file: page.text, found: "a next page at " + target.origin,
        expected: "it at " + settings.endpoint.origin)
    }
    return nil
  }

  /// The address from which a file is fetched.
  func address(of file: HubFile, in name: HubName, commit: String) -> WebAddress {
    let parts = (name.kind == .dataset ? "datasets/" : "") + name.repository
    return settings.endpoint.appending(
      parts.split(separator: "/").map(String.init) + ["resolve", commit]
        + file.path.split(separator: "/").map(String.init))
  }
}
