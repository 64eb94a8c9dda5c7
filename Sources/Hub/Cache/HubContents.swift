import Foundation
import Support

extension HubCache {
  /// A snapshot in the cache.
  public struct Content: Sendable, Equatable {
    /// The repository, `datasets/` before it if it holds data.
    public let name: String
    /// The commit.
    public let commit: String
    /// Branches and tags that led to it when they were asked for.
    public let revisions: [String]
    /// Where it is.
    public let path: String
    /// How many files it has.
    public let fileCount: Int
    /// Bytes of its files; what it shares with another snapshot counts in both.
    public let byteCount: Int
    /// What is known to be missing, in a few words; nil for a whole snapshot.
    public let gap: String?
  }

  /// What is in the cache: every snapshot of every repository of models and data.
  public func contents() -> [Content] {
    var contents: [Content] = []
    for folder in names(root) {
      let parts = folder.components(separatedBy: "--")
      guard parts.count > 1, let kind = ["models": "", "datasets": "datasets/"][parts[0]] else { continue }
      let name = kind + parts[1...].joined(separator: "/")
      let base = root + "/" + folder
      let revisions = references(base + "/refs")
      for commit in names(base + "/snapshots") where HubName.isCommit(commit) {
        let path = base + "/snapshots/" + commit
        let sizes = files(path).map { Self.size(path + "/" + $0) ?? 0 }
        let missing = Self.missing(in: path, want: parts[0] == "datasets" ? .all : .either)
        contents.append(
          Content(
            name: name, commit: commit, revisions: revisions.filter { $0.value == commit }.keys.sorted(),
            path: path, fileCount: sizes.count, byteCount: sizes.reduce(0, +),
            gap: missing.isEmpty ? nil : HubRemains(missing: missing).text))
      }
      if names(base + "/snapshots").isEmpty {
        // An interrupted pull: nothing is visible yet, and the next one goes on with it.
        let blobs = names(base + "/blobs").map { (name: $0, size: Self.size(base + "/blobs/" + $0) ?? 0) }
        let unfinished = blobs.filter { $0.name.hasSuffix(".incomplete") }
        guard !blobs.isEmpty else { continue }
        let remains = HubRemains(
          unfinishedBytes: unfinished.reduce(0) { $0 + $1.size }, looseFiles: blobs.count - unfinished.count)
        contents.append(
          Content(
            name: name, commit: "", revisions: [], path: base, fileCount: blobs.count,
            byteCount: blobs.reduce(0) { $0 + $1.size }, gap: "interrupted: " + remains.text))
      }
    }
    return contents
  }

  private func names(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  /// Paths of all files below a folder, links counted as what they lead to.
  private func files(_ folder: String) -> [String] {
    // A damaged cache must not take long: the bound is far above any real one.
    let paths =
      FileManager.default.enumerator(atPath: folder)?.prefix(100_000).compactMap { $0 as? String } ?? []
    return paths.filter { Self.size(folder + "/" + $0) != nil }
  }

  private func references(_ folder: String) -> [String: String] {
    var commits: [String: String] = [:]
    for revision in files(folder) {
      guard let data = FileManager.default.contents(atPath: folder + "/" + revision), data.count <= 128 else {
        continue
      }
      commits[revision] = String(decoding: data, as: UTF8.self).trimmingASCIIBlanks()
    }
    return commits
  }
}
