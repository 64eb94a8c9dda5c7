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
    let entries = Self.alike(adapter.modules).map { name, pair in
      AdapterEntry(module: name, path: "model." + name, content: .lowRank(pair))
    }
    let archive = AdapterArchive(entries: entries, base: base)
    let digest = adapter.contentDigest().description
    let path = folder + "/" + name + "-" + digest.prefix(12)
    let files = ExportedAdapter(archive, architecture, peft: path, gguf: ExportedAdapter.gguf(in: folder)) {
      self.keep(path)
    }
    return SentAdapter(digest: digest, content: .exported(files))
  }

  /// The same adapter with one rank and one scale for all modules.
  ///
  /// SGLang reads no `rank_pattern` and no `alpha_pattern`, vLLM only in new versions, and a GGUF file has one alpha.
  /// So smaller ranks are filled up with zeros, and another scale becomes a factor of B.
  static func alike(_ modules: [AdapterModule]) -> [(name: String, pair: LowRankPair)] {
    let rank = modules.map(\.pair.rank).max() ?? 0
    let scale = modules.map(\.pair.scale).first { $0 != 0 } ?? 0
    return modules.map { module in
      let pair = module.pair
      guard pair.rank != rank || pair.scale != scale else { return (module.name, pair) }
      let factor = scale == 0 ? 1 : pair.scale / scale  // all are 0 then
      let filled = rank - pair.rank
      let a = pair.a.floats() + [Float](repeating: 0, count: filled * pair.inputCount)
      let old = pair.b.floats()
      var b: [Float] = []
      b.reserveCapacity(pair.outputCount * rank)
      for row in 0..<pair.outputCount {
        b += old[row * pair.rank..<(row + 1) * pair.rank].map { $0 * factor }
        b += [Float](repeating: 0, count: filled)
      }
      return (
        module.name,
        LowRankPair(
          a: Tensor(name: pair.a.name, shape: [rank, pair.inputCount], floats: a),
          b: Tensor(name: pair.b.name, shape: [pair.outputCount, rank], floats: b), scale: scale)
      )
    }
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
