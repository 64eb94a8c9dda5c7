public import AdapterFormat
import ModelFiles

/// A `LowRankPair` as kernels compute on it.
package struct LoRAPair: Sendable {
  package let a: Matrix  // [rank, in]
  package let b: Matrix  // [out, rank]
  package let scale: Float
  /// What each output is multiplied by, the base's part without its bias included; nil for nothing (DoRA has it).
  var outputs: Vector?

  package init(a: Matrix, b: Matrix, scale: Float) {
    self.a = a
    self.b = b
    self.scale = scale
  }
}

/// An adapter bound to a base, once every module is found, every shape is checked and an effect is seen.
public final class AttachedAdapter: Sendable {
  /// The adapter as its file has it.
  public let adapter: Adapter
  /// The factor on top of the adapter's own scales; 1 leaves them as they are.
  public let scale: Float
  /// What a person should know about this adapter on this base, one sentence each.
  public let notes: [String]
  /// Files that its matrices are mapped from: those that were too large to copy.
  private let files: [MappedFile]
  /// Identifies the content, for caches of results.
  let identity = AdapterIdentity()
  /// What it changes.
  let binding: AdapterBinding

  /// `[layer][Projection.rawValue]`
  var pairs: [[LoRAPair?]] { binding.pairs }

  /// Binds `adapter` to `model`, all of it or nothing, then runs one probe position with and without it.
  ///
  /// - Parameters:
  ///   - adapter: what is attached.
  ///   - model: the base. It must be the adapter's own if the adapter names one.
  ///   - scale: a factor on top of the adapter's own scales.
  ///   - allowBaseMismatch: whether other weights than the adapter's own base are accepted, with a note.
  /// - Throws: `RuntimeError.otherBase` for another base of the same shape; `.adapterMismatch` for a base of another
  ///   shape, and for every module without a place or of another shape; `.adapterWithoutEffect` when the probe's logits
  ///   do not change though B is not zero, `.adapterNotFinite` when they overflow; `.invalidSetting` for a scale out of
  ///   ``scaleRange``, and for one other than 1 where magnitudes or whole parameters are not scaled by it.
  public init(
    _ adapter: Adapter, to model: Model, scale: Float = 1, allowBaseMismatch: Bool = false
  ) throws(RuntimeError) {
    guard Self.isScale(scale) else {
      throw .invalidSetting(name: "adapter scale", found: "\(scale)", expected: Self.scaleRange)
    }
    guard scale == 1 || adapter.isScalable else {
      throw .invalidSetting(
        name: "adapter scale", found: "\(scale)",
        expected:
          "1: \(adapter.path) has magnitudes (DoRA) or replaces whole parameters, which no factor scales")
    }
    self.adapter = adapter
    self.scale = scale
    files = Self.files(adapter)
    var notes = try Self.checkBase(adapter, model, allowMismatch: allowBaseMismatch)
    try Self.checkFit(adapter, model)
    binding = try AdapterBinding(adapter, to: model, scale: scale)
    if let reason = adapter.zeroReason {
      notes.append("\(adapter.path): \(reason), so this adapter changes nothing.")
    }
    self.notes = notes
    if !adapter.isZero, scale != 0 { try probe(model) }
    try model.checkFiles()
  }

  /// Whether an adapter may be attached with this factor.
  public static func isScale(_ scale: Float) -> Bool { scale == 0 || (1e-6...1e6).contains(abs(scale)) }

  /// The factors with which adapters are attached, for messages.
  public static let scaleRange = "0, or a number whose size is from 1e-6 to 1e6"

  init(adapter: Adapter, scale: Float, notes: [String], binding: AdapterBinding) {
    self.adapter = adapter
    self.scale = scale
    self.notes = notes
    self.binding = binding
    files = Self.files(adapter)
  }

  private static func files(_ adapter: Adapter) -> [MappedFile] {
    WeightFiles.files(of: adapter.tensors).filter(\.isWatched)
  }

  /// Throws if a file was changed that the matrices are mapped from.
  func checkFiles() throws(RuntimeError) {
    do throws(ModelFilesError) {
      for file in files { try file.checkUnchanged() }
    } catch {
      throw .filesChanged(error)
    }
  }

  /// Compares the model with the base that the adapter names; returns what a person should know.
  private static func checkBase(
    _ adapter: Adapter, _ model: Model, allowMismatch: Bool
  ) throws(RuntimeError) -> [String] {
    let base = model.directory.path
    guard let identity = adapter.base else {
      return [
        "\(adapter.path): base not identified, so only shapes were checked against \(base). A .tina file made "
          + "with `tina convert --base MODEL` tells which weights it belongs to."
      ]
    }
    let candidate: any BaseCandidate
    do throws(ModelFilesError) {
      candidate = try StoredBase(model.directory)
    } catch {
      throw .weightsMismatch(path: base, violations: [error.description])
    }
    switch identity.compare(to: candidate) {
    case .same, .sameInOtherEncoding: return []
    case .undecided(let types):
      let names = types.map(\.rawValue).joined(separator: ", ")
      return [
        "\(adapter.path): whether \(base) is the base it belongs to can't be told from weights in \(names), "
          + "so only shapes were checked."
      ]
    case .otherShape(let differences):
      throw .adapterMismatch(
        adapter: adapter.path, base: base, violations: differences, named: adapter.baseModelName)
    case .otherWeights(let difference):
      guard allowMismatch else {
        throw .otherBase(
          adapter: adapter.path, base: base, difference: difference, named: adapter.baseModelName)
      }
      return ["\(adapter.path): \(base) is not the base it belongs to (\(difference)); attached as asked."]
    }
  }

  private static func checkFit(_ adapter: Adapter, _ model: Model) throws(RuntimeError) {
    let violations = AdapterFit.violations(adapter, model.config)
    guard violations.isEmpty else {
      throw .adapterMismatch(
        adapter: adapter.path, base: model.directory.path, violations: violations,
        named: adapter.baseModelName)
    }
  }

  /// Above this factor of a pair, the probe looks for numbers that overflow, through all layers.
  private static let largeScale: Float = 64

  /// Checks that the adapter changes the logits of one position, to finite ones.
  private func probe(_ model: Model) throws(RuntimeError) {
    let token = probeToken(model)
    let layout = CacheLayout(model.config, type: .f32)
    // Two rows in one pass read the base's weights once, and only as far as needed.
    let segments = [nil, self].map { adapter in
      Segment(tokens: [token], cache: SequenceCache(layout), adapter: adapter, logits: 0..<1)
    }
    let isLarge =
      !adapter.isScalable || binding.table != nil || binding.all.contains { abs($0.scale) > Self.largeScale }
    switch model.compute.exclusive({ $0.compare(segments, isThorough: isLarge) }) {
    case .differ: break
    case .equal: throw .adapterWithoutEffect(adapter: adapter.path, base: model.directory.path)
    case .bothNotFinite: throw .notFinite(position: 0)
    case .notFinite:
      throw .adapterNotFinite(adapter: adapter.path, base: model.directory.path, scale: scale)
    }
  }

  /// A token whose row changes, where the adapter changes the embedding; else the one that begins a text.
  private func probeToken(_ model: Model) -> Int {
    let config = model.config
    if let table = binding.table {
      var row = [Float](repeating: 0, count: table.rows.columns)
      for token in 0..<config.vocabSize {
        unsafe table.rows.widen(rows: token..<token + 1, into: &row)
        if row.contains(where: { $0 != 0 }) { return token }
      }
    }
    if let weights = binding.weights, adapter.saved.contains(where: { $0.module == "embed_tokens" }) {
      var (own, other) = ([Float](repeating: 0, count: config.hiddenSize), [Float]())
      other = own
      for token in 0..<config.vocabSize {
        unsafe weights.embedding.widen(rows: token..<token + 1, into: &own)
        unsafe model.weights.embedding.widen(rows: token..<token + 1, into: &other)
        if own != other { return token }
      }
    }
    return min(config.bosTokenID ?? 0, config.vocabSize - 1)
  }
}

extension Adapter {
  /// Whether a factor on top of its scales scales all that it changes.
  package var isScalable: Bool { saved.isEmpty && modules.allSatisfy { $0.magnitude == nil } }
}
