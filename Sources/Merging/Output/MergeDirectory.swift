import Foundation
import ModelFiles
import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// The hidden directory beside the output in which a merge is made, until it is whole and verified.
///
/// A killed merge leaves it behind. The same merge goes on from the finished files; another one begins anew.
final class MergeDirectory {
  /// Where the output will be, absolute.
  let output: String
  /// Where it is made.
  let path: String
  /// Whether an earlier merge left it.
  let wasThere: Bool
  private let replaces: Bool
  /// Beside the directory, so that it holds until the directory has its final name.
  private let lock: FolderLock
  private static let progressName = ".tina-merge-progress.json"

  /// Takes the place of a merge to `output`.
  ///
  /// - Parameters:
  ///   - output: the directory to make.
  ///   - inputs: what must not be replaced.
  ///   - replaces: whether what is at `output` may be.
  ///   - purpose: what others are told who want the same place.
  ///   - isResumable: whether a killed process leaves something of use.
  init(
    output: String, inputs: [String], replaces: Bool, purpose: String = "tina merge",
    isResumable: Bool = false
  ) throws(MergeError) {
    let url = URL(fileURLWithPath: output).standardizedFileURL
    let folder = url.deletingLastPathComponent().resolvingSymlinksInPath().path
    self.output = folder + (folder == "/" ? "" : "/") + url.lastPathComponent
    self.replaces = replaces
    path = folder + (folder == "/" ? "" : "/") + "." + url.lastPathComponent + ".merging"
    let target = URL(fileURLWithPath: self.output).resolvingSymlinksInPath().path
    for input in inputs {
      let real = URL(fileURLWithPath: input).standardizedFileURL.resolvingSymlinksInPath().path
      if real == target || real.hasPrefix(target + "/") {
        throw .outputIsInput(path: output, input: input)
      }
    }
    guard replaces || !Self.exists(self.output) else { throw .outputExists(path: output) }
    do throws(FolderLock.Failure) {
      lock = try FolderLock(file: path + ".lock", purpose: purpose)
    } catch {
      switch error {
      case .held(let holder): throw .busy(path: output, holder: holder)
      // Where no lock can be made, no directory can.
      case .system(_, let code): throw failure(output, "mkdir", code)
      }
    }
    let old = path + ".old"
    if Self.exists(old) {
      // A process was killed while it replaced the output.
      let isRestored = Self.exists(self.output) ? false : unsafe rename(old, self.output) == 0
      if !isRestored { try? FileManager.default.removeItem(atPath: old) }
    }
    // The lock's former holder may have made it.
    guard replaces || !Self.exists(self.output) else { throw .outputExists(path: output) }
    if !isResumable { TemporaryPaths.add(path) }
    let code = unsafe mkdir(path, 0o777) == 0 ? 0 : errno
    guard code == 0 || code == EEXIST else { throw failure(output, "mkdir", code) }
    wasThere = code == EEXIST
  }

  deinit { TemporaryPaths.forget(path) }

  private static func exists(_ path: String) -> Bool {
    var info = stat()
    return unsafe lstat(path, &info) == 0
  }

  /// A file of the directory.
  func file(_ name: String) -> String { path + "/" + name }

  /// The files that an earlier run of the same merge finished. Removes everything else.
  ///
  /// - Parameter key: what identifies the merge.
  func takeUp(key: String, plan: OutputPlan) throws(MergeError) -> [String: [ModuleMeasure]] {
    var finished: [String: [ModuleMeasure]] = [:]
    if let progress = try? JSON.parse(path: file(Self.progressName)), let object = progress.object,
      object["key"]?.string == key
    {
      for entry in object["finished"]?.array ?? [] {
        guard let name = entry.object?["file"]?.string,
          let planned = plan.files.first(where: { $0.name == name }),
          let size = try? FileManager.default.attributesOfItem(atPath: file(name))[.size] as? Int,
          size == planned.byteCount,
          let modules = entry.object?["modules"]?.array?.map({ ModuleMeasure($0) }), !modules.contains(nil)
        else { continue }
        finished[name] = modules.compactMap(\.self)
      }
    }
    do {
      for name in try FileManager.default.contentsOfDirectory(atPath: path)
      where finished[name] == nil && name != Self.progressName {
        try FileManager.default.removeItem(atPath: file(name))
      }
    } catch {
      throw .unwritable(path: path, call: "remove", reason: errorReason(error))
    }
    return finished
  }

  /// Remembers which files are finished.
  func record(key: String, finished: [String: [ModuleMeasure]]) throws(ModelFilesError) {
    let entries = finished.sorted { $0.key < $1.key }.map { name, modules in
      JSONValue.record(["file": .string(name), "modules": .array(modules.map(\.progress))])
    }
    let progress = JSONValue.record(["key": .string(key), "finished": .array(entries)])
    try FileWriter.write(Array(progress.text().utf8), to: file(Self.progressName))
  }

  /// Gives the directory its final name.
  func finish() throws(MergeError) {
    unsafe unlink(file(Self.progressName))
    flushFolder(path)
    let old = path + ".old"
    var hasOld = false
    if replaces, Self.exists(output) {
      try? FileManager.default.removeItem(atPath: old)
      guard unsafe rename(output, old) == 0 else { throw failure(output, "rename", errno) }
      hasOld = true
    }
    guard unsafe rename(path, output) == 0 else {
      let code = errno
      if hasOld { unsafe _ = rename(old, output) }
      if code == ENOTEMPTY || code == EEXIST || code == ENOTDIR { throw .outputExists(path: output) }
      throw failure(output, "rename", code)
    }
    if hasOld { try? FileManager.default.removeItem(atPath: old) }
    flushFolder(URL(fileURLWithPath: output).deletingLastPathComponent().path)
  }

  /// Gives one file the final name, and its companions the names beside it.
  ///
  /// - Parameters:
  ///   - name: the file, of this directory.
  ///   - companions: names here and the paths that they get, which may be replaced.
  func finish(file name: String, companions: [(name: String, path: String)] = []) throws(MergeError) {
    var isDirectory = ObjCBool(false)
    if unsafe FileManager.default.fileExists(atPath: output, isDirectory: &isDirectory), isDirectory.boolValue
    {
      throw .unwritable(path: output, call: "rename", reason: "a directory has that name")
    }
    guard replaces || !Self.exists(output) else { throw .outputExists(path: output) }
    // The model comes last, so that its companions are there when it is.
    for (name, path) in companions {
      guard unsafe rename(file(name), path) == 0 else { throw failure(path, "rename", errno) }
    }
    guard unsafe rename(file(name), output) == 0 else {
      let code = errno
      for (_, path) in companions { unsafe unlink(path) }
      throw failure(output, "rename", code)
    }
    flushFolder(URL(fileURLWithPath: output).deletingLastPathComponent().path)
    discard()
  }

  /// Removes the directory: the merge was refused, or failed.
  func discard() { try? FileManager.default.removeItem(atPath: path) }
}

extension ModuleMeasure {
  /// The sums, for the record of progress.
  fileprivate var progress: JSONValue {
    .record([
      "name": .string(name), "sums": .array([deltaSquares, product, errorSquares].map { JSONValue($0) }),
      "count": JSONValue(count), "changed": JSONValue(changed),
    ])
  }

  fileprivate init?(_ value: JSONValue) {
    guard let object = value.object, let name = object["name"]?.string,
      let sums = object["sums"]?.array?.compactMap(\.double), sums.count == 3,
      let count = object["count"]?.int, let changed = object["changed"]?.int
    else { return nil }
    self.init(name: name)
    (deltaSquares, product, errorSquares) = (sums[0], sums[1], sums[2])
    (self.count, self.changed) = (count, changed)
  }
}
