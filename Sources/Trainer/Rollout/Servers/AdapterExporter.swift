import AdapterFormat
import Foundation
import ModelFiles
import Support
import TinaRuntime

/// Writes the adapter of each step into a folder that servers of other programs see.
final class AdapterExporter: StepAdapters {
  private let base: BaseIdentity
  private let architecture: BaseArchitecture
  private let folder: String
  private let name: String
  /// The folders that were written, the last one last.
  private let written = Locked<[String]>([])

  /// - Parameters:
  ///   - architecture: the base's, which GGUF needs.
  ///   - folder: a whole path, the same on all machines.
  ///   - name: what this run's adapters are called.
  /// - Throws: ``TrainerError`` where the folder can't be made.
  init(
    base: BaseIdentity, architecture: BaseArchitecture, folder: String, name: String
  ) throws(TrainerError) {
    (self.base, self.architecture, self.folder, self.name) = (base, architecture, folder, name)
    let code = makeFolders(folder)
    guard code == 0 else {
      throw TrainerError(
        .unwritable, place: "rollout_folder: " + folder, found: systemErrorText(code), expected: "a folder")
    }
  }

  deinit { for path in written.withLock({ $0 }) { try? FileManager.default.removeItem(atPath: path) } }

  func files(_ adapter: Adapter) throws -> SentAdapter {
    let entries = adapter.modules.map {
      AdapterEntry(module: $0.name, path: "model." + $0.name, content: .lowRank($0.pair))
    }
    let archive = AdapterArchive(entries: entries, base: base)
    let digest = adapter.contentDigest().description
    let path = folder + "/" + name + "-" + digest.prefix(12)
    let files = ExportedAdapter(archive, architecture, peft: path, gguf: ExportedAdapter.gguf(in: folder)) {
      self.keep(path)
    }
    return SentAdapter(digest: digest, content: .exported(files))
  }

  /// Notes a folder, and removes those that are older than the one before it.
  private func keep(_ path: String) {
    let old = written.withLock { written -> [String] in
      written = written.filter { $0 != path } + [path]
      defer { written = Array(written.suffix(2)) }
      return Array(written.dropLast(2))
    }
    for path in old { try? FileManager.default.removeItem(atPath: path) }
  }
}

/// The files of one adapter for other programs, each written when it is first asked for.
final class ExportedAdapter: Sendable {
  private let archive: AdapterArchive
  private let architecture: BaseArchitecture
  private let paths: (peft: String, gguf: String)
  private let made = Locked<Set<String>>([])
  private let onFolder: @Sendable () -> Void

  init(
    _ archive: AdapterArchive, _ architecture: BaseArchitecture, peft: String, gguf: String,
    onFolder: @escaping @Sendable () -> Void
  ) {
    (self.archive, self.architecture, self.onFolder) = (archive, architecture, onFolder)
    paths = (peft, gguf)
  }

  /// The one name that llama-server's preset has for all adapters.
  static func gguf(in folder: String) -> String { folder + "/adapter.gguf" }

  /// The folder with PEFT's files.
  func peft() throws -> String {
    try once(paths.peft) { (path) throws(AdapterError) in
      try archive.export(.peft, to: path)
      onFolder()
    }
  }

  /// The GGUF file, which takes the place of the adapter before.
  func gguf() throws -> String {
    try once(paths.gguf) { (path) throws(AdapterError) in
      try archive.export(.gguf, to: path, base: architecture)
    }
  }

  /// Writes a file unless that was done; others who ask wait.
  private func once(_ path: String, _ write: (String) throws(AdapterError) -> Void) throws -> String {
    try made.withLock { made -> Result<Void, AdapterError> in
      if made.contains(path) { return .success(()) }
      // A file that could not be written is tried again.
      return Result { () throws(AdapterError) in try write(path) }.map { _ = made.insert(path) }
    }.get()
    return path
  }
}
