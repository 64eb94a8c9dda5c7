/// A file as the hub lists it.
struct HubFile: Sendable, Equatable {
  /// From the root of the repository.
  let path: String
  /// In bytes.
  let size: Int
  /// The file's name in the cache: SHA-256 of the contents for large files, git's digest for small ones.
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
