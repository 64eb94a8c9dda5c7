public import AdapterFormat
import Dispatch
import Foundation
import ModelFiles
import Synchronization
public import TinaRuntime
import Support

/// How far a merge is.
public enum MergeProgress: Sendable, Equatable {
  /// Weights are written: so many bytes of so many.
  case writing(done: Int, total: Int)
  /// Merged and attached form are compared.
  case verifying
}

/// How long a merge took, and what it needed.
public struct MergeCost: Sendable {
  /// Bytes of weights that were written; those of an earlier run that was killed are not among them.
  public var byteCount = 0
  /// Until the weights were on the disk.
  public var writing = Duration.zero
  /// From then to the end of comparing logits.
  public var verifying = Duration.zero
  /// The most private memory that was seen while weights were written and when logits were compared; nil if the
  /// system does not tell.
  public var privateByteCount: Int?
  /// Files that an earlier run had finished.
  public var resumedFiles = 0
}

/// Adds adapters to the weights of their base and writes the result as a model of its own.
public struct Merge: Sendable {
  /// The base, opened.
  public let model: Model
  /// The adapters, attached to it.
  public let adapters: [AttachedAdapter]
  /// The directory that is made.
  public let output: String
  /// What is asked.
  public let settings: MergeSettings
  /// Changes what was written before it is verified; for tests.
  package var tamper: (@Sendable (String) -> Void)?

  /// Prepares a merge.
  ///
  /// - Throws: ``MergeError`` for settings that can't be, and for an adapter of a tied head.
  public init(
    _ adapters: [AttachedAdapter], into model: Model, output: String,
    settings: MergeSettings = MergeSettings()
  ) throws(MergeError) {
    try settings.validate()
    guard !adapters.isEmpty else {
      throw .invalidSetting(name: "adapters", found: "none", expected: "at least one")
    }
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

  /// Tells, before an adapter is attached, that it changes a head which is also the embedding.
  ///
  /// - Throws: ``MergeError/tiedHead(adapter:base:module:)``.
  public static func checkHead(_ adapter: Adapter, _ model: Model) throws(MergeError) {
    guard model.config.tieWordEmbeddings else { return }
    let heads = ["lm_head", "embed_tokens", "model.embed_tokens"]
    if let module = adapter.modules.first(where: { heads.contains($0.name) }) {
      throw .tiedHead(adapter: adapter.path, base: model.directory.path, module: module.name)
    }
  }

  /// The type of GGUF file that holds a base as it is: that of its own float weights.
  ///
  /// - Throws: ``MergeError`` for a quantised base, whose rounding again would take most of a change away.
  public static func ownFileType(_ model: Model) throws(MergeError) -> GGUFFileType {
    if let tensor = model.directory.quantisedTensor {
      throw .invalidSetting(
        name: "dtype", found: "none, with a base in \(tensor.elementType.rawValue)",
        expected:
          "f32, f16, bf16, q8_0 … (--dtype): rounding to \(tensor.elementType.rawValue) again would take most of the "
          + "change away. On a quantised base keep the adapter attached (tina run MODEL.gguf --adapter …), which "
          + "loses nothing, or merge into the base that it was made from")
    }
    switch model.directory.weights["model.embed_tokens.weight"]?.elementType {
    case .f16: return .f16
    case .bf16: return .bf16
    default: return .f32
    }
  }

  /// Makes the directory, or the GGUF file: whole and verified, or not at all.
  ///
  /// - Parameter onProgress: called now and then, from any thread.
  /// - Returns: the report, which stands in the directory too, and the cost.
  /// - Throws: ``MergeError``, and the errors of the files that are read and written.
  public func run(
    onProgress: @escaping @Sendable (MergeProgress) -> Void = { _ in }
  ) async throws -> (report: MergeReport, cost: MergeCost) {
    let base = try StoredBase(model.directory)
    let sums = LowRankSum.all(adapters)
    let plan =
      if let fileType = settings.fileType {
        try OutputPlan(model.directory, sums: sums, type: fileType, name: Self.ggufName)
      } else {
        try OutputPlan(weights: model.directory.weights, sums: sums, settings: settings)
      }
    let directory = try MergeDirectory(
      output: output, inputs: [model.directory.path] + adapters.map(\.adapter.path),
      replaces: settings.replacesOutput)
    do {
      return try await make(base, plan, directory, onProgress)
    } catch {
      directory.discard()
      throw error
    }
  }

  /// The name of the GGUF file until it gets its own.
  private static let ggufName = "model.gguf"

  private func make(
    _ base: any BaseCandidate, _ plan: OutputPlan, _ directory: MergeDirectory,
    _ onProgress: @escaping @Sendable (MergeProgress) -> Void
  ) async throws -> (report: MergeReport, cost: MergeCost) {
    var cost = MergeCost()
    let clock = ContinuousClock()
    let began = clock.now
    // Beside the writing, one after the other: what the merged form is compared with, and the hashes of what goes in.
    let beside = DispatchQueue(label: "tina merge beside")
    let verification = MergeVerification(model: model, adapters: adapters, settings: settings)
    let expecting = Background(on: beside) { try verification.expected() }
    let identifying = Background(on: beside) {
      [directory = model.directory, adapters, threads = settings.threads] in
      (
        // Writing and comparing need the processor more: hashing gets the half of it.
        base: try directory.weightsDigest(threads: max(1, threads / 2)),
        adapters: adapters.map { $0.adapter.contentDigest().description }
      )
    }
    var finished: [String: [ModuleMeasure]] = [:]
    if directory.wasThere {
      finished = try directory.takeUp(key: key(try await identifying.value, plan), plan: plan)
      cost.resumedFiles = finished.count
    }
    let meter = Meter(
      total: plan.byteCount,
      done: plan.files.reduce(0) { $0 + (finished[$1.name] == nil ? 0 : $1.byteCount) },
      onProgress)
    for file in plan.files where finished[file.name] == nil {
      let writer = ShardWriter(file: file, settings: settings, onBytes: { meter.add($0) })
      finished[file.name] = try writer.write(to: directory.file(file.name))
      cost.byteCount += file.byteCount
      if plan.files.count > 1 {
        try directory.record(key: key(try await identifying.value, plan), finished: finished)
      }
    }
    cost.writing = clock.now - began
    let modules = plan.files.flatMap { finished[$0.name] ?? [] }
    try checkSurvival(modules)

    let carried = settings.fileType == nil ? CarriedFiles(model.directory.path) : nil
    try carried?.copy(to: directory.path, elementType: settings.elementType)
    if let index = plan.index {
      try Self.write(index, to: directory.file("model.safetensors.index.json"))
    }
    tamper?(directory.path)
    onProgress(.verifying)
    let (logits, memory) = try verification.check(
      settings.fileType == nil ? directory.path : directory.file(Self.ggufName),
      against: try await expecting.value)
    let digests = try await identifying.value
    cost.verifying = clock.now - began - cost.writing
    cost.privateByteCount = [meter.privateByteCount, memory].compactMap { $0 }.max()
    let report = report(base, plan, carried, digests, modules, logits)
    try Self.write(Array((report.json.text(indent: 2) + "\n").utf8), to: directory.file("merge-report.json"))
    if settings.fileType == nil {
      try directory.finish()
    } else {
      try directory.finish(
        file: Self.ggufName, companions: [("merge-report.json", MergeReport.path(besides: directory.output))])
    }
    return (report, cost)
  }

  private static func write(_ bytes: [UInt8], to path: String) throws(ModelFilesError) {
    let writer = try FileWriter(path: path)
    try writer.write(bytes)
    try writer.finish()
  }

  /// What identifies a merge: the same key, the same files.
  private func key(_ digests: (base: String, adapters: [String]), _ plan: OutputPlan) -> String {
    var hash = Digest()
    var parts = ["tina merge 1", digests.base, "\(settings.rounding)"]
    for (digest, adapter) in zip(digests.adapters, adapters) { parts += [digest, "\(adapter.scale)"] }
    for part in parts { hash.update(Array(part.utf8) + [0]) }
    // The headers hold names, types, shapes and places.
    for file in plan.files { hash.update(Array(file.name.utf8) + [0] + file.header) }
    return hexadecimal(hash.finish())
  }

  private var elementTypeName: String {
    if let fileType = settings.fileType { return fileType.rawValue }
    let types = Set(
      model.directory.weights.tensors.values.filter { $0.shape.count == 2 }.map {
        (settings.elementType ?? $0.elementType).rawValue
      })
    return types.sorted().joined(separator: ", ")
  }

  private func checkSurvival(_ modules: [ModuleMeasure]) throws(MergeError) {
    guard !settings.acceptsLoss else { return }
    let lost = modules.filter { ($0.survived ?? 1) < 0.5 }
    guard lost.isEmpty else {
      throw .lost(modules: lost, type: elementTypeName, isStochastic: settings.rounding != .nearest)
    }
  }

  private func report(
    _ base: any BaseCandidate, _ plan: OutputPlan, _ carried: CarriedFiles?,
    _ digests: (base: String, adapters: [String]), _ modules: [ModuleMeasure], _ logits: LogitCheck
  ) -> MergeReport {
    var warnings = adapters.flatMap(\.notes)
    var merged: [MergeReport.MergedAdapter] = []
    for (attached, digest) in zip(adapters, digests.adapters) {
      let (recognised, warning) = BasePrecision.judge(attached.adapter, base)
      if let warning { warnings.append(warning) }
      merged.append(
        MergeReport.MergedAdapter(
          name: Self.name(attached.adapter.path), digest: digest, scale: attached.scale,
          baseModelName: attached.adapter.baseModelName.map { Self.name($0) }, base: recognised))
    }
    let earlier =
      model.directory.gguf == nil
      ? model.directory.path + "/merge-report.json" : MergeReport.path(besides: model.directory.path)
    if FileManager.default.fileExists(atPath: earlier) {
      warnings.append(
        "\(model.directory.path) was itself made by merging (its merge-report.json says how): rounding errors "
          + "add up. Merging all adapters into the original base at once rounds once.")
    }
    let isNoisy = settings.rounding != .nearest || settings.fileType?.isQuantised == true
    if let error = worstError(modules), error > 1, isNoisy {
      warnings.append(
        "The rounding noise is up to \(decimal(error, 1)) times as large as the change itself. It is right on "
          + "average, but compare it with the attached form on your task, or merge with --dtype f32.")
    }
    return MergeReport(
      output: output, base: Self.name(model.directory.path), baseDigest: digests.base, adapters: merged,
      elementType: elementTypeName, rounding: settings.rounding, modules: modules, logits: logits,
      files: settings.fileType == nil ? plan.files.map(\.name) : [Self.name(output)],
      leftOut: carried?.leftOut ?? [], warnings: warnings,
      paths: [model.directory.path] + adapters.map(\.adapter.path))
  }

  private func worstError(_ modules: [ModuleMeasure]) -> Double? { modules.compactMap(\.error).max() }

  /// The last component: a report tells no one's folders.
  private static func name(_ path: String) -> String {
    path.split(separator: "/").last.map { String($0) } ?? path
  }
}

/// Adds up what threads have written.
private final class Meter: Sendable {
  private let state: Mutex<(done: Int, memory: Int?)>
  private let total: Int
  private let onProgress: @Sendable (MergeProgress) -> Void

  init(total: Int, done: Int, _ onProgress: @escaping @Sendable (MergeProgress) -> Void) {
    self.total = total
    self.onProgress = onProgress
    state = Mutex((done, nil))
  }

  var privateByteCount: Int? { state.withLock { $0.memory } }

  func add(_ count: Int) {
    let memory = anonymousByteCount()
    let done = state.withLock { state in
      state.done += count
      if let memory { state.memory = max(memory, state.memory ?? 0) }
      return state.done
    }
    onProgress(.writing(done: done, total: total))
  }
}
