import AdapterFormat
import Foundation
import ModelFiles
import Support

/// A run's folder and its checkpoints.
///
/// A folder `checkpoint-N` is whole or absent. It holds `adapter.tina` and the state from which the run continues.
package struct RunFolder {
  package let path: String
  /// Seed of the initial adapter; a `.tina` file may store differences from it.
  let seed: UInt64

  private static let partialPrefix = ".partial-checkpoint-"

  package init(path: String, seed: UInt64) { (self.path, self.seed) = (path, seed) }

  /// Steps of all whole checkpoints, ascending.
  package var steps: [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix("checkpoint-"), let step = Int(name.dropFirst(11)), step >= 0 else { return nil }
      return FileManager.default.fileExists(atPath: path + "/" + name + "/state.json") ? step : nil
    }.sorted()
  }

  func checkpoint(_ step: Int) -> String { path + "/checkpoint-\(step)" }
  package func adapter(_ step: Int) -> String { checkpoint(step) + "/adapter.tina" }
  private func partial(_ step: Int) -> String { path + "/" + Self.partialPrefix + "\(step)" }

  /// Makes the folder and keeps other processes out of it.
  ///
  /// - Throws: ``TrainerError`` that tells who trains in it.
  func lock() throws(TrainerError) -> FolderLock {
    let code = makeFolders(path)
    guard code == 0 else { throw unwritable("mkdir", code) }
    do throws(FolderLock.Failure) {
      return try FolderLock(file: path + "/" + FolderLock.name, purpose: "tina train")
    } catch {
      switch error {
      case .held(let holder):
        throw TrainerError(
          .checkpoint, place: path, found: "a run that goes on in it (\(holder))",
          expected: "a folder that no other process trains in",
          advice: "Wait for that run, or name another folder with --output.")
      case .system(let call, let code): throw unwritable(call, code)
      }
    }
  }

  private func unwritable(_ call: String, _ code: Int32) -> TrainerError {
    TrainerError(
      .unwritable, place: path, found: "\(call): \(systemErrorText(code))",
      expected: "to write a run's files",
      advice: "Check the folder, its permissions and the disk. Earlier checkpoints are whole.")
  }

  /// Removes what a killed process left half done, and finds the last checkpoint.
  ///
  /// - Parameters:
  ///   - first: the state in which a new run would begin.
  ///   - resumes: whether a run that is there may continue.
  /// - Returns: the last whole checkpoint's state; nil when there is none.
  /// - Throws: ``TrainerError`` when the folder holds another run, or one that may not continue.
  func open(expecting first: RunState, resumes: Bool) throws -> RunState? {
    let files = FileManager.default
    for name in (try? files.contentsOfDirectory(atPath: path)) ?? [] where name.hasPrefix(Self.partialPrefix)
    {
      try? files.removeItem(atPath: path + "/" + name)
    }
    guard let step = steps.last else { return nil }
    guard resumes else {
      throw TrainerError(
        .checkpoint, place: path, found: "a run at step \(step)", expected: "an empty folder",
        advice: "Name another folder with --output, or leave out --no-resume to go on.")
    }
    let last = try state(step)
    try last.check(against: first, folder: path)
    return last
  }

  /// Saves a checkpoint: writes a folder of another name, then renames it.
  ///
  /// - Parameter parent: the checkpoint from which the adapter's file stores differences; nil for a whole file.
  func save(
    _ state: RunState, _ learner: AdapterLearner, _ archive: AdapterArchive, parent: Int?, peft: Bool
  ) throws {
    let (target, partial) = (checkpoint(state.step), partial(state.step))
    let files = FileManager.default
    try? files.removeItem(atPath: partial)
    TemporaryPaths.add(partial)
    defer { TemporaryPaths.forget(partial) }
    let code = makeFolders(partial)
    guard code == 0 else { throw unwritable("mkdir", code) }
    do {
      var options = TinaOptions()
      options.seed = seed
      // A parent that can't be read is no reason to lose this step.
      if let parent {
        let file = try? TinaFile(path: adapter(parent))
        if (try? file?.archive()) != nil { options.parent = file }
      }
      try TinaWriter.write(archive, to: partial + "/adapter.tina", options: options)
      if peft { try archive.export(.peft, to: partial + "/peft") }
      let writer = try FileWriter(path: partial + "/optimizer.bin")
      var digest = Digest()
      for memory in learner.memories {
        let bytes = memory.bytes
        try writer.write(bytes.bytes)
        digest.update(bytes.bytes)
      }
      try writer.finish()
      let json = state.json.with("sha256", .string(state.digest(after: digest)))
      try Self.write(json, to: partial + "/state.json")
      flushFolder(partial)
      // The name is taken only when the run was taken back to an earlier step.
      try? files.removeItem(atPath: target)
      try move(partial, to: target)
      flushFolder(path)
    } catch {
      try? files.removeItem(atPath: partial)
      throw error
    }
  }

  /// Rewrites a checkpoint's adapter as a whole file, without differences; its content stays.
  func detach(_ step: Int) throws {
    let file = try TinaFile(path: adapter(step))
    guard file.parentDigest != nil else { return }
    var options = TinaOptions()
    options.keep(from: file, tensorsChange: false)
    options.seed = seed
    // The writer replaces the old file once the new one is whole.
    try TinaWriter.write(file.archive(), to: adapter(step), options: options)
  }

  /// Removes a checkpoint, after rewriting adapters that store differences from it.
  func remove(_ step: Int) throws {
    let digest = (try? TinaFile(path: adapter(step)))?.contentDigest
    for other in steps where other != step {
      guard let digest, let file = try? TinaFile(path: adapter(other)), file.parentDigest == digest
      else { continue }
      try detach(other)
    }
    // Renamed first, because a half removed checkpoint must not look whole.
    let files = FileManager.default
    try? files.removeItem(atPath: partial(step))
    try move(checkpoint(step), to: partial(step))
    try? files.removeItem(atPath: partial(step))
  }

  /// A checkpoint's state, without its matrices.
  func state(_ step: Int) throws(TrainerError) -> RunState {
    let file = checkpoint(step) + "/state.json"
    let found: String
    do throws(ModelFilesError) {
      if let state = try JSON.parse(path: file).object.flatMap({ RunState($0) }), state.step == step {
        return state
      }
      found = "missing members"
    } catch {
      found = "\(error)"
    }
    throw damaged(file, found: found, expected: "the state of a run")
  }

  /// Puts a checkpoint's matrices and moments back.
  func restore(_ learner: AdapterLearner, _ state: RunState) throws {
    let path = checkpoint(state.step) + "/optimizer.bin"
    let file = try MappedFile(path: path, .copied)
    let memories = learner.memories
    let size = memories[0].bytes.byteCount
    guard file.byteCount == memories.count * size else {
      throw damaged(path, found: "\(file.byteCount) bytes", expected: "\(memories.count * size)")
    }
    if let expected = state.digest {
      var digest = Digest()
      digest.update(file.bytes)
      let found = state.digest(after: digest)
      guard found == expected else {
        throw damaged(
          path, found: "it and state.json with the digest \(found.prefix(16))…",
          expected: "\(expected.prefix(16))…, as when they were saved")
      }
    }
    for (i, memory) in memories.enumerated() {
      unsafe UnsafeMutableRawPointer(memory.pointer).copyMemory(
        from: file.baseAddress + i * size, byteCount: size)
    }
    learner.optimizer.step = state.optimizerSteps
    learner.passes = state.passes
  }

  private func damaged(_ file: String, found: String, expected: String) -> TrainerError {
    TrainerError(
      .checkpoint, place: file, found: found, expected: expected,
      advice: "Remove this checkpoint's folder to go on from the one before.")
  }

  /// Writes a JSON file, whole or not at all.
  static func write(_ object: JSONObject, to path: String) throws(ModelFilesError) {
    try write(JSONValue.object(object).text(indent: 1) + "\n", to: path)
  }

  static func write(_ text: String, to path: String) throws(ModelFilesError) {
    try FileWriter.write(Array(text.utf8), to: path)
  }

  private func move(_ old: String, to new: String) throws(TrainerError) {
    guard unsafe rename(old, new) == 0 else { throw unwritable("rename", errno) }
  }
}
