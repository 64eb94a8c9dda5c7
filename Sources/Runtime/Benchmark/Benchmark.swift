import AdapterFormat
import CKernels
import Foundation
import ModelFiles
import Support

/// One measured number, and the limit that it stands beside.
public struct BenchmarkResult: Sendable {
  /// A short key.
  public let name: String
  /// What was measured, for people.
  public let title: String
  /// The number.
  public let value: Double
  /// Its unit.
  public let unit: String
  /// The number that the machine's limits, or the row it is compared with, would give.
  public let limit: Double?
  /// Of which `value / limit` is a share: a few words.
  public let limitName: String

  /// A measurement.
  public init(
    _ name: String, _ title: String, _ value: Double, _ unit: String, limit: Double? = nil,
    limitName: String = ""
  ) {
    self.name = name
    self.title = title
    self.value = value
    self.unit = unit
    self.limit = limit
    self.limitName = limitName
  }
}

/// Measures a model on this machine through the engine that all commands use.
public final class Benchmark {
  /// The model that is measured.
  public let model: Model
  /// What the machine could do at the beginning.
  public let limits: MachineLimits
  private let quick: Bool
  private let steps: Int
  private let folder: String
  private let report: (BenchmarkResult) -> Void

  /// - Parameters:
  ///   - model: the model that is measured.
  ///   - quick: fewer steps and rows.
  ///   - folder: where random adapters are written.
  ///   - report: gets each number as soon as it is there.
  public init(_ model: Model, quick: Bool, folder: String, report: @escaping (BenchmarkResult) -> Void) {
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
  private func operations(head: Bool) -> Double {
    let head = head ? model.config.vocabSize * model.config.hiddenSize : 0
    return 2
      * Double(
        model.weights.layers.reduce(head) { sum, layer in
          layer.projections.reduce(sum) { $0 + $1.rows * $1.columns }
        })
  }

  /// Whether some weights meet rounded activations, whose arithmetic the float32 peak does not bound.
  private var isRounded: Bool {
    model.weights.layers.contains { layer in
      layer.projections.contains {
        tk_block_elements($0.type) > 1
          ? model.activations != .f32 : $0.type == TK_BF16 && model.activations == .bf16
      }
    }
  }

  /// Measures the machine's limits before and after `body`: on a shared machine they move within minutes.
  private func besideLimits<T>(_ body: () async throws -> T) async rethrows -> (T, MachineLimits) {
    let before = MachineLimits(model, rounds: 3)
    let result = try await body()
    return (result, MachineLimits(before, MachineLimits(model, rounds: 3)))
  }

  /// Tokens a second that a step of `rows` rows can give at best; nil where its bound is not known.
  private func ceiling(rows: Int, _ limits: MachineLimits) -> Double? {
    if isRounded { return rows == 1 ? limits.readRate / weightBytes : nil }
    let reading = weightBytes / limits.readRate
    let computing = Double(rows) * operations(head: true) / limits.operationRate
    return Double(rows) / max(reading, computing)
  }

  // MARK: Everything

  /// The whole table.
  ///
  /// - Throws: what opening files and engines throws.
  public func run() async throws {
    report(BenchmarkResult("read", "memory read, all threads", limits.readRate / 1e9, "GB/s"))
    report(BenchmarkResult("fma", "float32 multiply-add, all threads", limits.operationRate / 1e9, "GFLOP/s"))
    try await reportLoading()
    for count in quick ? [128] : [128, 512] { try await reportPrefill(count) }
    try await reportGroup(quick ? 128 : 512)
    for streams in quick ? [1, 4, 16] : [1, 2, 4, 8, 16, 32, 64] {
      let (rate, limits) = try await besideLimits { try await decoding(streams: streams, adapters: [nil]) }
      report(
        BenchmarkResult(
          "decode\(streams)", "decode, \(streams) stream\(streams == 1 ? "" : "s")", rate, "tok/s",
          limit: ceiling(rows: streams, limits), limitName: "of the machine's limit"))
    }
    try await reportAdapters()
    try reportContexts()
    try await reportQueue()
  }

  /// What is measured beside other programs unless something else is asked for.
  public static let peerMeasurements: Set = [
    "load", "decode1", "decode4", "decode16", "prefill512", "decode1+adapter", "decode16+adapter",
  ]

  /// What the comparison with other programs needs.
  ///
  /// - Parameters:
  ///   - adapter: what is attached for the measurements with an adapter; those are left out when nil.
  ///   - only: the names of the measurements that are wanted; there are `decode8` and `decode8+adapter` besides.
  /// - Throws: what opening files and engines throws.
  public func runPeers(
    _ adapter: AttachedAdapter?, only: Set<String> = Benchmark.peerMeasurements
  ) async throws {
    if only.contains("load") { try await reportLoading() }
    for streams in [1, 4, 8, 16] where only.contains("decode\(streams)") {
      report(
        BenchmarkResult(
          "decode\(streams)", "decode, \(streams) stream\(streams == 1 ? "" : "s")",
          try await decoding(streams: streams, adapters: [nil]), "tok/s"))
    }
    if only.contains("prefill512") { try await reportPrefill(512) }
    guard let adapter else { return }
    for streams in [1, 8, 16] where only.contains("decode\(streams)+adapter") {
      report(
        BenchmarkResult(
          "decode\(streams)+adapter", "decode, \(streams) with the adapter",
          try await decoding(streams: streams, adapters: [adapter]), "tok/s"))
    }
  }

  // MARK: Parts

  /// From opening the files to the first token of 16, less what the same costs once more.
  private func reportLoading() async throws {
    let clock = ContinuousClock()
    let began = clock.now
    let opened = try Model(
      path: model.directory.path, threads: model.threads, activations: model.activations)
    let engine = Engine(model: opened)
    var request = GenerationRequest(
      prompt: tokens(16, seed: 5), .init(sampling: .greedy, maxTokens: 1), endTokens: [])
    _ = try await engine.generate(request).collect()
    let first = clock.now
    request.prompt = tokens(16, seed: 6)
    _ = try await engine.generate(request).collect()
    let seconds = (first - began).inSeconds - (clock.now - first).inSeconds
    report(
      BenchmarkResult("load", "open the model to the first token, less its prefill", max(seconds, 0), "s"))
  }

  private func reportPrefill(_ count: Int) async throws {
    let engine = Engine(model: model)
    let clock = ContinuousClock()
    let (best, limits) = try await besideLimits {
      var best = 0.0
      for round in 0..<(quick ? 1 : 2) {
        let request = GenerationRequest(
          prompt: tokens(count, seed: UInt64(40 + round)), .init(sampling: .greedy, maxTokens: 1),
          endTokens: [])
        let began = clock.now
        _ = try await engine.generate(request).collect()
        best = max(best, Double(count) / (clock.now - began).inSeconds)
      }
      return best
    }
    report(
      BenchmarkResult(
        "prefill\(count)", "prefill, \(count) tokens", best, "tok/s",
        limit: isRounded ? nil : limits.operationRate / operations(head: false),
        limitName: "of the arithmetic peak"))
  }

  /// All first tokens of 16 samples of one prompt, beside the first token of one.
  private func reportGroup(_ count: Int) async throws {
    let clock = ContinuousClock()
    var best = [Double.infinity, .infinity]
    for round in 0..<2 {
      for (i, samples) in [1, 16].enumerated() {
        let engine = Engine(model: model)
        let request = GenerationRequest(
          prompt: tokens(count, seed: UInt64(60 + round)), .init(sampling: .init(seed: 1), maxTokens: 1),
          endTokens: [])
        let began = clock.now
        _ = try await engine.generate(request, samples: samples).collect()
        best[i] = min(best[i], (clock.now - began).inSeconds)
      }
    }
    report(
      BenchmarkResult(
        "group", "first tokens of 16 samples, prompt of \(count)", best[1], "s", limit: best[0],
        limitName: "of the time of one sample"))
  }

  /// Tokens a second in all of `streams` completions behind one prompt of 64 tokens for each adapter.
  private func decoding(streams: Int, adapters: [AttachedAdapter?]) async throws -> Double {
    let engine = Engine(model: model, batchLimit: max(streams, 1))
    let each = max(streams / adapters.count, 1)
    // The batch is full once the last prompt is computed, and until the first completions end.
    let extra = 2 * (adapters.count - 1)
    engine.shared.beginRecording()
    let groups = try adapters.map { adapter in
      try engine.generate(
        GenerationRequest(
          prompt: tokens(64, seed: 3),
          .init(
            adapter: adapter, sampling: .init(temperature: 0.6, topP: 0.95, seed: 1),
            maxTokens: steps + 1 + extra), endTokens: []),
        samples: each)
    }
    for group in groups { _ = try await group.collect() }
    // Full steps alone count, and of them a better one: others use the machine too.
    let times = engine.shared.recorded().filter { $0.rows == each * adapters.count }.map(\.seconds).sorted()
    guard !times.isEmpty else { return 0 }
    return Double(each * adapters.count) / times[times.count / 4]
  }

  private func attach(rank: Int, seed: UInt64) throws -> AttachedAdapter {
    let path = folder + "/adapter-r\(rank)-\(seed)"
    if !FileManager.default.fileExists(atPath: path + "/adapter_config.json") {
      try RandomModel.writeAdapter(rank: rank, for: model.config, seed: seed, to: path)
    }
    return try AttachedAdapter(Adapter(path: path), to: model)
  }

  /// What an adapter costs. The same without it is measured just before and just after, since the speed of a host's
  /// memory may change by half within a minute.
  private func reportAdapters() async throws {
    for rank in quick ? [32] : [8, 32, 64] {
      let adapter = try attach(rank: rank, seed: 1)
      for streams in [1, 16] {
        let before = try await decoding(streams: streams, adapters: [nil])
        let rate = try await decoding(streams: streams, adapters: [adapter])
        let after = try await decoding(streams: streams, adapters: [nil])
        report(
          BenchmarkResult(
            "decode\(streams)-r\(rank)", "decode, \(streams) with an adapter of rank \(rank)", rate, "tok/s",
            limit: (before + after) / 2, limitName: "of the same without"))
      }
    }
    let one = try await decoding(streams: 16, adapters: [try attach(rank: 32, seed: 1)])
    for count in quick ? [4] : [4, 16] {
      let adapters = try (1...count).map { try attach(rank: 32, seed: UInt64($0)) }
      report(
        BenchmarkResult(
          "decode16-a\(count)", "decode, 16 over \(count) adapters of rank 32",
          try await decoding(streams: 16, adapters: adapters), "tok/s", limit: one,
          limitName: "of one adapter's"))
    }
  }

  /// One stream deep in a context. What stands in the cache does not change the work, so nothing is computed
  /// to fill it.
  private func reportContexts() throws {
    let clock = ContinuousClock()
    var short = 0.0
    for context in [512, 8192] where context + 16 < model.config.maxPositions {
      let pool = PagePool(CacheLayout(model.config, type: .f16))
      let cache = SequenceCache(pool)
      cache.reserve(tokens: context + 16)
      cache.clear(tokens: context)
      var gaps: [Double] = []
      for step in 0..<(quick ? 4 : 8) {
        let segment = Segment(tokens: [step], cache: cache, adapter: nil, logits: 0..<1)
        let began = clock.now
        model.compute.exclusive { forward in unsafe forward.run([segment]) { _, _ in } }
        gaps.append((clock.now - began).inSeconds)
      }
      gaps.sort()
      let rate = 1 / gaps[gaps.count / 4]
      if context == 512 { short = rate }
      report(
        BenchmarkResult(
          "context\(context)", "decode, 1 stream behind \(context) tokens", rate, "tok/s",
          limit: context == 512 ? nil : short, limitName: context == 512 ? "" : "of that behind 512"))
    }
  }

  /// Many prompts with answers of very different lengths: how full the batch stays.
  private func reportQueue() async throws {
    let batch = 16
    let prompts = quick ? 12 : 200
    let engine = Engine(model: model, batchLimit: batch)
    engine.shared.beginRecording()
    let clock = ContinuousClock()
    let began = clock.now
    let groups = try (0..<prompts).map { i in
      try engine.generate(
        GenerationRequest(
          prompt: tokens(8 + i % 9, seed: UInt64(100 + i)),
          .init(sampling: .init(seed: 2), maxTokens: 4 + (i * 7) % 23), endTokens: [], promptIndex: i),
        samples: 4)
    }
    for group in groups { _ = try await group.collect() }
    let seconds = (clock.now - began).inSeconds
    let statistics = engine.statistics
    // The median of the steps that were full, of the same minutes.
    let full = engine.shared.recorded().filter { $0.rows == batch }.map(\.seconds).sorted()
    let steady = full.isEmpty ? nil : Double(batch) / full[full.count / 2]
    report(
      BenchmarkResult(
        "queue-rate", "a queue of \(prompts) prompts × 4, prompts and end included",
        Double(statistics.tokensDrawn) / seconds, "tok/s", limit: steady, limitName: "of its full steps"))
    report(
      BenchmarkResult(
        "queue", "rows in a step over a queue of \(prompts) prompts × 4",
        Double(statistics.decodeRows) / Double(max(statistics.decodeSteps, 1)), "rows",
        limit: Double(batch), limitName: "of the batch"))
    let total = statistics.forwardSeconds + statistics.samplingSeconds + statistics.otherSeconds
    report(
      BenchmarkResult(
        "sampling", "drawing tokens, share of the time", 100 * statistics.samplingSeconds / total, "%"))
    report(
      BenchmarkResult(
        "other", "outside of both, share of the time", 100 * statistics.otherSeconds / total, "%"))
  }

  private func tokens(_ count: Int, seed: UInt64) -> [Int] {
    (0..<count).map { position in
      Int(
        Philox.uniform(seed: seed, prompt: 0, sample: 0, position: UInt64(position))
          * Double(model.config.vocabSize))
    }
  }
}
