import AdapterFormat
import Foundation
import ModelFiles
import TinaRuntime

/// A folder `checkpoint-N`, whole or absent: `adapter.tina`, and the exact state from which the run goes on.
struct Checkpoint {
  /// What must be the same for a run to go on from it.
  struct State: Equatable {
    var step = 0
    var optimizerSteps = 0
    var passes: UInt32 = 0
    var recipe = ""
    var data = ""
    var base = ""
    var seed: UInt64 = 0
    var rowLimit = 0
    var skipped = 0
    var tokens = 0
    var spentSeconds = 0.0
  }

  static func folder(_ run: String, _ step: Int) -> String { run + "/checkpoint-\(step)" }

  /// Steps of the whole checkpoints in a run's folder, ascending.
  static func steps(in run: String) -> [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: run)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix("checkpoint-"), let step = Int(name.dropFirst(11)), step >= 0 else { return nil }
      return FileManager.default.fileExists(atPath: run + "/" + name + "/state.json") ? step : nil
    }.sorted()
  }

  /// Writes everything to a folder of another name, then renames it.
  ///
  /// - Parameter parent: the step of a checkpoint from which the adapter's file holds differences; nil for a file that
  ///   needs no other.
  static func save(
    _ state: State, _ update: PolicyUpdate, archive: AdapterArchive, initialSeed: UInt64, parent: Int?,
    peft: Bool,
    run: String
  ) throws {
    let target = folder(run, state.step)
    let partial = run + "/" + partialPrefix + "\(state.step)"
    let files = FileManager.default
    try? files.removeItem(atPath: partial)
    try files.createDirectory(atPath: partial, withIntermediateDirectories: true)
    do {
      var options = TinaOptions()
      options.seed = initialSeed
      // A parent that cannot be read is no reason to lose this step.
      if let parent {
        let file = try? TinaFile(path: adapter(run, parent))
        if (try? file?.archive()) != nil { options.parent = file }
      }
      try TinaWriter.write(archive, to: partial + "/adapter.tina", options: options)
      if peft { try archive.export(.peft, to: partial + "/peft") }
      try write(update, to: partial + "/optimizer.bin")
      try writeText(JSONValue.object(json(state)).text(indent: 1) + "\n", to: partial + "/state.json")
      sync(partial)
      // Only a run that was taken back to an earlier step finds its own name here.
      try? files.removeItem(atPath: target)
      try files.moveItem(atPath: partial, toPath: target)
      sync(run)
    } catch {
      try? files.removeItem(atPath: partial)
      throw error
    }
  }

  static func adapter(_ run: String, _ step: Int) -> String { folder(run, step) + "/adapter.tina" }

  /// Makes a checkpoint's adapter a file that needs no other; its content stays as it is.
  static func detach(_ step: Int, initialSeed: UInt64, run: String) throws {
    let path = adapter(run, step)
    let file = try TinaFile(path: path)
    guard file.parentDigest != nil else { return }
    var options = TinaOptions()
    options.keep(from: file, tensorsChange: false)
    options.seed = initialSeed
    // The writer puts the new file in the old one's place when it is whole.
    try TinaWriter.write(file.archive(), to: path, options: options)
  }

  /// Removes a checkpoint, after those that hold differences from it have become files of their own.
  static func remove(_ step: Int, initialSeed: UInt64, run: String) throws {
    let digest = (try? TinaFile(path: adapter(run, step)))?.contentDigest
    for other in steps(in: run) where other != step {
      guard let digest, let file = try? TinaFile(path: adapter(run, other)), file.parentDigest == digest
      else {
        continue
      }
      try detach(other, initialSeed: initialSeed, run: run)
    }
    // Half removed it must not look whole.
    let partial = run + "/" + partialPrefix + "\(step)"
    try? FileManager.default.removeItem(atPath: partial)
    try FileManager.default.moveItem(atPath: folder(run, step), toPath: partial)
    try? FileManager.default.removeItem(atPath: partial)
  }

  /// Removes what a kill left half written or half removed.
  static func sweep(_ run: String) {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: run)) ?? []
    where name.hasPrefix(partialPrefix) {
      try? FileManager.default.removeItem(atPath: run + "/" + name)
    }
  }

  private static let partialPrefix = ".partial-checkpoint-"

  private static func sync(_ folder: String) {
    let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if descriptor >= 0 {
      fsync(descriptor)
      close(descriptor)
    }
  }

  private static func write(_ update: PolicyUpdate, to path: String) throws {
    let writer = try FileWriter(path: path)
    for memory in [update.parameters.values, update.optimizer.first, update.optimizer.second] {
      let bytes = memory.bytes
      try writer.write(bytes.bytes)
    }
    try writer.finish()
  }

  static func writeText(_ text: String, to path: String) throws(ModelFilesError) {
    let writer = try FileWriter(path: path)
    try writer.write(Array(text.utf8))
    try writer.finish()
  }

  private static func json(_ s: State) -> JSONObject {
    JSONObject([
      ("step", JSONValue(s.step)), ("optimizer_steps", JSONValue(s.optimizerSteps)),
      ("passes", JSONValue(Int(s.passes))), ("recipe_sha256", .string(s.recipe)),
      ("data_sha256", .string(s.data)),
      ("base_sha256", .string(s.base)), ("seed", .string("\(s.seed)")), ("row_limit", JSONValue(s.rowLimit)),
      ("skipped_steps", JSONValue(s.skipped)), ("tokens", JSONValue(s.tokens)),
      ("spent_seconds", JSONValue(s.spentSeconds)),
    ])
  }

  /// Reads a state without its matrices.
  static func state(run: String, step: Int) throws(TrainerError) -> State {
    let path = folder(run, step) + "/state.json"
    func bad(_ found: String) -> TrainerError {
      TrainerError(
        .checkpoint, place: path, found: found, expected: "the state of a run",
        advice: "Remove this checkpoint's folder to go on from the one before.")
    }
    let value: JSONValue
    do throws(ModelFilesError) {
      value = try JSON.parse(path: path)
    } catch {
      throw bad("\(error)")
    }
    guard let object = value.object, let saved = object["step"]?.int, saved == step,
      let optimizerSteps = object["optimizer_steps"]?.int,
      let passes = object["passes"]?.int.flatMap({ UInt32(exactly: $0) }),
      let recipe = object["recipe_sha256"]?.string,
      let data = object["data_sha256"]?.string, let base = object["base_sha256"]?.string,
      let seed = object["seed"]?.string.flatMap({ UInt64($0) }), let rows = object["row_limit"]?.int,
      let skipped = object["skipped_steps"]?.int, let tokens = object["tokens"]?.int,
      let seconds = object["spent_seconds"]?.double
    else { throw bad("missing members") }
    return State(
      step: step, optimizerSteps: optimizerSteps, passes: passes, recipe: recipe, data: data, base: base,
      seed: seed,
      rowLimit: rows, skipped: skipped, tokens: tokens, spentSeconds: seconds)
  }

  /// Puts the matrices and moments back.
  static func restore(_ update: PolicyUpdate, _ state: State, run: String) throws {
    let path = folder(run, state.step) + "/optimizer.bin"
    let file = try MappedFile(path: path)
    let memories = [update.parameters.values, update.optimizer.first, update.optimizer.second]
    let size = memories[0].bytes.byteCount
    guard file.byteCount == 3 * size else {
      throw TrainerError(
        .checkpoint, place: path, found: "\(file.byteCount) bytes", expected: "\(3 * size)",
        advice: "Remove this checkpoint's folder to go on from the one before.")
    }
    for (i, memory) in memories.enumerated() {
      unsafe UnsafeMutableRawPointer(memory.pointer).copyMemory(
        from: file.baseAddress + i * size, byteCount: size)
    }
    update.optimizer.step = state.optimizerSteps
    update.passes = state.passes
  }
}
