import AdapterFormat
import Foundation
import ModelFiles
import Support
import TinaRuntime

/// An adapter that servers get.
struct SentAdapter: Sendable {
  /// How they get it.
  enum Content: Sendable {
    /// As a request's body: the file of the whole adapter, and that of the adapter as a difference from another, with
    /// the digest of that one's content.
    case sent(whole: String, difference: (path: String, parent: String)?)
    /// As files of other formats in a folder that they see.
    case exported(ExportedAdapter)
  }

  /// The digest of its content, in hexadecimal.
  let digest: String
  let content: Content
}

/// Makes the files of each step's adapter.
protocol StepAdapters: Sendable {
  /// The files of an adapter. Those of the one before stay until the next.
  func files(_ adapter: Adapter) throws -> SentAdapter
}

/// Writes the adapter of each step to files for servers: whole, and as a difference from the one before.
final class AdapterSender: StepAdapters {
  private let base: BaseIdentity
  private let folder: String
  private let last = Locked<(digest: String, whole: String, sent: SentAdapter)?>(nil)

  /// - Throws: ``TrainerError`` where no temporary folder can be made.
  init(base: BaseIdentity) throws(TrainerError) {
    self.base = base
    folder = FileManager.default.temporaryDirectory.appending(path: "tina-rollout-\(UUID().uuidString)").path
    TemporaryPaths.add(folder)
    let code = makeFolders(folder)
    guard code == 0 else {
      throw TrainerError(.unwritable, place: folder, found: systemErrorText(code), expected: "a new folder")
    }
  }

  deinit {
    try? FileManager.default.removeItem(atPath: folder)
    TemporaryPaths.forget(folder)
  }

  func files(_ adapter: Adapter) throws -> SentAdapter {
    let entries = adapter.modules.map {
      AdapterEntry(module: $0.name, path: "model." + $0.name, content: .lowRank($0.pair))
    }
    let archive = AdapterArchive(entries: entries, base: base)
    let before = last.withLock { $0 }
    // Two names take turns: the earlier file is the parent of the difference.
    let name = folder + (before?.whole.hasSuffix("/a.tina") == true ? "/b.tina" : "/a.tina")
    var options = TinaOptions()
    options.isPlain = true
    let digest = try TinaWriter.write(archive, to: name, options: options).contentDigest.description
    if let before, before.digest == digest { return before.sent }
    var difference: (path: String, parent: String)?
    if let before {
      var options = TinaOptions()
      options.parent = try TinaFile(path: before.whole)
      let path = folder + "/difference.tina"
      try TinaWriter.write(archive, to: path, options: options)
      difference = (path, before.digest)
    }
    let sent = SentAdapter(digest: digest, content: .sent(whole: name, difference: difference))
    last.withLock { $0 = (digest, name, sent) }
    return sent
  }
}
