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

  /// The least time that the arithmetic of a token's linear maps can take.
  func arithmeticSeconds(head: Bool, _ limits: MachineLimits) -> Double {
    let layers = model.weights.layers.flatMap(\.projections)
    return (head ? layers + [model.weights.head] : layers).reduce(0) { sum, map in
      let isInBytes = tk_block_elements(map.type) > 1 && model.activations != .f32
      let isInBF16 = map.type == TK_BF16 && model.activations == .bf16
      let rate = isInBytes ? limits.byteRate : isInBF16 ? limits.bf16Rate : limits.operationRate
      return sum + 2 * Double(map.rows * map.columns) / rate
    }
  }

  /// Runs `body` between two measurements of the machine's limits, which move within minutes on a shared machine.
  func besideLimits<T>(_ body: () async throws -> T) async rethrows -> (T, MachineLimits) {
    let before = MachineLimits(model, rounds: 3)
    let result = try await body()
    return (result, MachineLimits(before, MachineLimits(model, rounds: 3)))
  }

  /// The most tokens a second that steps of `rows` rows can give.
  private func ceiling(rows: Int, _ limits: MachineLimits) -> Double {
    let reading = weightBytes / limits.readRate
    return Double(rows) / max(reading, Double(rows) * arithmeticSeconds(head: true, limits))
  }

  // MARK: Everything

  /// Measures the whole table.
  ///
  /// - Throws: what opening files and engines throws.
  public func run() async throws {
    report(SpeedResult("read", "memory read, all threads", limits.readRate / 1e9, "GB/s"))
    report(SpeedResult("fma", "float32 multiply-add, all threads", limits.operationRate / 1e9, "GFLOP/s"))
    report(SpeedResult("bf16", "the same of bf16", limits.bf16Rate / 1e9, "GFLOP/s"))
    report(SpeedResult("bytes", "the same of bytes", limits.byteRate / 1e9, "GOP/s"))
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
    try await reportSpeculation()
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
