/// What was fetched, or was there already.
public struct HubPulled: Sendable {
  /// A file of it.
  public struct File: Sendable {
    /// From the root of the repository.
    public let path: String
    /// In bytes.
    public let size: Int
    /// Whether it was in the cache before.
    public let wasCached: Bool
  }

  /// What was asked for.
  public let name: HubName
  /// The commit that it is of.
  public let commit: String
  /// The path of the folder or file that was named, or of the one file that is the model or adapter.
  public let path: String
  /// The files.
  public let files: [File]
  /// What was left out: paths and sizes.
  public let skipped: [(path: String, size: Int)]
  /// The base of an adapter as its configuration names it; nil if there is none.
  public let baseName: String?

  /// Bytes of all files.
  public var byteCount: Int { files.reduce(0) { $0 + $1.size } }
  /// Bytes that came over the network.
  public var fetchedByteCount: Int { files.reduce(0) { $0 + ($1.wasCached ? 0 : $1.size) } }
}

/// How many bytes have been fetched.
public struct HubProgress: Sendable {
  /// Bytes that are there, of those that were not in the cache.
  public let done: Int
  /// Bytes that were not in the cache.
  public let total: Int
  /// Seconds since fetching began.
  public let seconds: Double
  /// Bytes that an earlier try had left, among `done`.
  public let resumed: Int
}

/// What will be fetched, and what is in the cache already.
public struct HubPlan: Sendable {
  /// What was asked for.
  public let name: HubName
  /// The commit that it is of.
  public let commit: String
  let selected: [HubFile]
  let missing: [HubFile]
  let left: [HubFile]
  let single: HubFile?
  let hasModel: Bool
  let hasAdapter: Bool
  let absent: [String]

  /// Bytes of all files.
  public var byteCount: Int { selected.reduce(0) { $0 + $1.size } }
  /// Bytes that the cache lacks.
  public var missingByteCount: Int { missing.reduce(0) { $0 + $1.size } }
  /// How many files there are.
  public var fileCount: Int { selected.count }
  /// The files: paths, sizes, and whether the cache has them.
  public var files: [(path: String, size: Int, isCached: Bool)] {
    let lacking = Set(missing.map(\.digest))
    return selected.map { ($0.path, $0.size, !lacking.contains($0.digest)) }
  }
  /// What is left out: paths, sizes, and whether it is a Python pickle.
  public var skipped: [(path: String, size: Int, isPickle: Bool)] {
    left.map { ($0.path, $0.size, HubSelection.isPickle($0)) }
  }
}
