import AdapterFormat
import ModelFiles
import Support
public import TinaRuntime

/// Adds adapters to the weights of their base and writes the result as a model of its own.
public struct Merge: Sendable {
  /// The base, opened; its threads compute and write.
  public let model: Model
  /// The adapters, attached to it.
  public let adapters: [AttachedAdapter]
  /// The directory or GGUF file that is made.
  public let output: String
  /// What is asked.
  public let settings: MergeSettings

  /// The digests of what goes in.
  struct Digests: Sendable {
    let base: String
    let adapters: [String]
  }

  /// The name of the GGUF file until it gets its own.
  static let ggufName = "model.gguf"

  /// Prepares a merge.
  ///
  /// - Throws: ``MergeError`` for settings that can't be.
  public init(
    _ adapters: [AttachedAdapter], into model: Model, output: String,
    settings: MergeSettings = MergeSettings()
  ) throws(MergeError) {
    try settings.validate()
    guard !adapters.isEmpty else {
      throw .invalidSetting(name: "adapters", found: "none", expected: "at least one")
    }
    try Self.checkSum(adapters)
    if model.directory.gguf != nil, settings.fileType == nil {
      throw .invalidSetting(
        name: "output", found: "a directory, of a base that is a GGUF file",
        expected: "the name of a .gguf file")
    }
    self.model = model
    self.adapters = adapters
    self.output = output
    self.settings = settings
  }

  /// Makes the directory, or the GGUF file: whole and verified, or not at all.
  ///
  /// - Parameter onProgress: called now and then, from any thread.
  /// - Returns: the report, which stands in the directory too, and the cost.
  /// - Throws: ``MergeError``, and the errors of the files that are read and written.
  public func run(
    onProgress: @escaping @Sendable (MergeProgress) -> Void = { _ in }
  ) async throws -> (report: MergeReport, cost: MergeCost) {
    if let fault = model.directory.nonFinite().first { throw fault }
    let base = try StoredBase(model.directory)
    let changes = MergedTensors(adapters, into: model.directory)
    let plan =
      if let fileType = settings.fileType {
        try OutputPlan(model.directory, changes, type: fileType, name: Self.ggufName)
      } else {
        try OutputPlan(weights: model.directory.weights, changes, settings: settings)
      }
    let directory = try MergeDirectory(
      output: output,
      inputs: [model.directory.path] + model.directory.weights.files + adapters.map(\.adapter.path),
      replaces: settings.replacesOutput, isResumable: plan.files.count > 1)
    do {
      return try await make(base, plan, directory, onProgress)
    } catch {
      directory.discard()
      throw error
    }
  }

  private func make(
    _ base: any BaseCandidate, _ plan: OutputPlan, _ directory: MergeDirectory,
    _ onProgress: @escaping @Sendable (MergeProgress) -> Void
  ) async throws -> (report: MergeReport, cost: MergeCost) {
    // While weights are written, this thread computes the expected logits and then the digests.
    let worker = SerialWorker("tina merge beside")
    let verification = MergeVerification(model: model, adapters: adapters, settings: settings)
    let stop = StopFlag()
    let expected = worker.start { try verification.expected(stop) }
    let digests = worker.start { [directory = model.directory, adapters, threads = model.threads] in
      Digests(
        // Writing and comparing need the processor more.
        base: try directory.weightsDigest(threads: max(1, threads / 2), stop: stop),
        adapters: adapters.map { $0.adapter.contentDigest().description })
    }
    do {
      return try await make(base, plan, directory, verification, expected, digests, onProgress)
    } catch {
      // The other thread reads the base: it must have ended before whoever called goes on.
      stop.set()
      await expected.join()
      await digests.join()
      throw error
    }
  }

  private func make(
    _ base: any BaseCandidate, _ plan: OutputPlan, _ directory: MergeDirectory,
    _ verification: MergeVerification, _ expected: RunningWork<MergeVerification.Expected>,
    _ digests: RunningWork<Digests>, _ onProgress: @escaping @Sendable (MergeProgress) -> Void
  ) async throws -> (report: MergeReport, cost: MergeCost) {
    var cost = MergeCost()
    let clock = ContinuousClock()
    let began = clock.now
    var finished: [String: [ModuleMeasure]] = [:]
    if directory.wasThere {
      finished = try directory.takeUp(key: key(try await digests.value, plan), plan: plan)
      cost.resumedFiles = finished.count
    }
    let meter = MergeMeter(
      total: plan.byteCount,
      done: plan.files.reduce(0) { $0 + (finished[$1.name] == nil ? 0 : $1.byteCount) }, onProgress)
    for file in plan.files where finished[file.name] == nil {
      let writer = ShardWriter(
        file: file, settings: settings, threads: model.threads, onBytes: { meter.add($0) })
      finished[file.name] = try writer.write(to: directory.file(file.name))
      cost.byteCount += file.byteCount
      if plan.files.count > 1 {
        try directory.record(key: key(try await digests.value, plan), finished: finished)
      }
    }
    cost.writing = clock.now - began
    let modules = plan.files.flatMap { finished[$0.name] ?? [] }
    try checkSurvival(modules)

    let carried = settings.fileType == nil ? CarriedFiles(model.directory.path) : nil
    let isUntied = model.config.tieWordEmbeddings && !MergedTensors(adapters, into: model.directory).isTied
    try carried?.copy(to: directory.path, elementType: settings.elementType, isUntied: isUntied)
    if let index = plan.index {
      try FileWriter.write(index, to: directory.file("model.safetensors.index.json"))
    }
    onProgress(.verifying)
    try model.checkFiles()
    let (logits, memory) = try verification.check(
      settings.fileType == nil ? directory.path : directory.file(Self.ggufName),
      against: try await expected.value)
    let report = MergeReport(
      of: self, base: base, digests: try await digests.value, plan: plan, carried: carried, modules: modules,
      logits: logits)
    cost.verifying = clock.now - began - cost.writing
    cost.privateByteCount = [meter.privateByteCount, memory].compactMap { $0 }.max()
    try model.checkFiles()
    try FileWriter.write(
      Array((report.json.text(indent: 2) + "\n").utf8), to: directory.file("merge-report.json"))
    if settings.fileType == nil {
      try directory.finish()
    } else {
      try directory.finish(
        file: Self.ggufName, companions: [("merge-report.json", MergeReport.path(besides: directory.output))])
    }
    return (report, cost)
  }

  /// What identifies a merge: the same key, the same files.
  private func key(_ digests: Digests, _ plan: OutputPlan) -> String {
    var hash = Digest()
    var parts = ["tina merge 1", digests.base, "\(settings.rounding)"]
    for (digest, adapter) in zip(digests.adapters, adapters) { parts += [digest, "\(adapter.scale)"] }
    for part in parts { hash.update(Array(part.utf8) + [0]) }
    // The headers hold names, types, shapes and places.
    for file in plan.files { hash.update(Array(file.name.utf8) + [0] + file.header) }
    return hexadecimal(hash.finish())
  }
}
