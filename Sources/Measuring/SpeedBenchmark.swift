import AdapterFormat
import CKernels
import ModelFiles
public import TinaRuntime

/// Measures a model on this machine through the engine that all commands use.
public final class SpeedBenchmark {
  /// The model that is measured.
  public let model: Model
  /// What the machine could do at the beginning.
  public let limits: MachineLimits
  let quick: Bool
  let steps: Int
  let folder: String
  let report: (SpeedResult) -> Void

  /// - Parameters:
  ///   - model: the model that is measured.
  ///   - quick: fewer steps and rows.
  ///   - folder: where random adapters are written.
  ///   - report: gets each number as soon as it is there.
  public init(_ model: Model, quick: Bool, folder: String, report: @escaping (SpeedResult) -> Void) {
    self.model = model
    self.quick = quick
    self.folder = folder
    self.report = report
    steps = quick ? 6 : 12
    limits = MachineLimits(model, rounds: quick ? 2 : 5)
  }

  /// Bytes of weights that every step reads.
  private var weightBytes: Double {
    let head = model.weights.head.rows * model.weights.head.rowByteCount
    return Double(
      model.weights.layers.reduce(head) { sum, layer in
        layer.projections.reduce(sum) { $0 + $1.rows * $1.rowByteCount }
      })
  }

  /// Float32 operations for a token, without attention.
  func operations(head: Bool) -> Double {
    let head = head ? model.config.vocabSize * model.config.hiddenSize : 0
    return 2
      * Double(
        model.weights.layers.reduce(head) { sum, layer in
          layer.projections.reduce(sum) { $0 + $1.rows * $1.columns }
        })
  }

  /// Whether some weights meet rounded activations: the float32 peak does not bound their arithmetic.
  var isRounded: Bool {
    model.weights.layers.contains { layer in
      layer.projections.contains {
        tk_block_elements($0.type) > 1
          ? model.activations != .f32 : $0.type == TK_BF16 && model.activations == .bf16
      }
    }
  }

  /// Runs `body` between two measurements of the machine's limits, which move within minutes on a shared machine.
  func besideLimits<T>(_ body: () async throws -> T) async rethrows -> (T, MachineLimits) {
    let before = MachineLimits(model, rounds: 3)
    let result = try await body()
    return (result, MachineLimits(before, MachineLimits(model, rounds: 3)))
  }

  /// The most tokens a second that steps of `rows` rows can give; nil where no bound is known.
  private func ceiling(rows: Int, _ limits: MachineLimits) -> Double? {
    if isRounded { return rows == 1 ? limits.readRate / weightBytes : nil }
    let reading = weightBytes / limits.readRate
    let computing = Double(rows) * operations(head: true) / limits.operationRate
    return Double(rows) / max(reading, computing)
  }

  // MARK: Everything

  /// Measures the whole table.
  ///
  /// - Throws: what opening files and engines throws.
  public func run() async throws {
    report(SpeedResult("read", "memory read, all threads", limits.readRate / 1e9, "GB/s"))
    report(SpeedResult("fma", "float32 multiply-add, all threads", limits.operationRate / 1e9, "GFLOP/s"))
    try await reportLoading()
    for count in quick ? [128] : [128, 512] { try await reportPrefill(count) }
    try await reportGroup(quick ? 128 : 512)
    for streams in quick ? [1, 4, 16] : [1, 2, 4, 8, 16, 32, 64] {
      let (rate, limits) = try await besideLimits { try await decoding(streams: streams, adapters: [nil]) }
      report(
        SpeedResult(
          "decode\(streams)", "decode, \(streams) stream\(streams == 1 ? "" : "s")", rate, "tok/s",
          limit: ceiling(rows: streams, limits), limitName: "of the machine's limit"))
    }
    try await reportAdapters()
    reportContexts()
    try await reportQueue()
  }

  /// The measurements that ``runPeers(_:only:)`` makes by default.
  public static let peerMeasurements: Set = [
    "load", "decode1", "decode4", "decode16", "prefill512", "decode1+adapter", "decode16+adapter",
  ]

  /// Measures what the comparison with other programs needs.
  ///
  /// - Parameters:
  ///   - adapter: what is attached for the measurements with an adapter; those are left out when nil.
  ///   - only: the names of the measurements that are wanted; there are `decode8` and `decode8+adapter` besides.
  /// - Throws: what opening files and engines throws.
  public func runPeers(
    _ adapter: AttachedAdapter?, only: Set<String> = SpeedBenchmark.peerMeasurements
  ) async throws {
    if only.contains("load") { try await reportLoading() }
    for streams in [1, 4, 8, 16] where only.contains("decode\(streams)") {
      report(
        SpeedResult(
          "decode\(streams)", "decode, \(streams) stream\(streams == 1 ? "" : "s")",
          try await decoding(streams: streams, adapters: [nil]), "tok/s"))
    }
    if only.contains("prefill512") { try await reportPrefill(512) }
    guard let adapter else { return }
    for streams in [1, 8, 16] where only.contains("decode\(streams)+adapter") {
      report(
        SpeedResult(
          "decode\(streams)+adapter", "decode, \(streams) with the adapter",
          try await decoding(streams: streams, adapters: [adapter]), "tok/s"))
    }
  }

  func tokens(_ count: Int, seed: UInt64) -> [Int] {
    (0..<count).map { position in
      Int(
        Philox.uniform(seed: seed, prompt: 0, sample: 0, position: UInt64(position))
          * Double(model.config.vocabSize))
    }
  }
}
