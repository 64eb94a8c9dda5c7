import AdapterFormat
import Foundation
import ModelFiles
import Support
import TinaRuntime

// The measurements, each with its report.
extension SpeedBenchmark {
  /// The time from opening the files to the first token behind a prompt of 16, less that of a second such prompt.
  func reportLoading() async throws {
    let clock = ContinuousClock()
    let began = clock.now
    let opened = try Model(
      path: model.directory.path, threads: model.threads, activations: model.activationChoice)
    let engine = Engine(model: opened, speculation: .off)
    var request = GenerationRequest(
      prompt: tokens(16, seed: 5), .init(sampling: .greedy, maxTokens: 1), endTokens: [])
    _ = try await engine.generate(request).collect()
    let first = clock.now
    request.prompt = tokens(16, seed: 6)
    _ = try await engine.generate(request).collect()
    let seconds = (first - began).inSeconds - (clock.now - first).inSeconds
    report(
      SpeedResult("load", "open the model to the first token, less its prefill", max(seconds, 0), "s"))
  }

  func reportPrefill(_ count: Int) async throws {
    let engine = Engine(model: model, speculation: .off)
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
      SpeedResult(
        "prefill\(count)", "prefill, \(count) tokens", best, "tok/s",
        limit: 1 / arithmeticSeconds(head: false, limits),
        limitName: "of the arithmetic peak"))
  }

  /// All first tokens of 16 samples of one prompt, beside the first token of one.
  func reportGroup(_ count: Int) async throws {
    let clock = ContinuousClock()
    var best = [Double.infinity, .infinity]
    for round in 0..<2 {
      for (i, samples) in [1, 16].enumerated() {
        let engine = Engine(model: model, speculation: .off)
        let request = GenerationRequest(
          prompt: tokens(count, seed: UInt64(60 + round)), .init(sampling: .init(seed: 1), maxTokens: 1),
          endTokens: [])
        let began = clock.now
        _ = try await engine.generate(request, samples: samples).collect()
        best[i] = min(best[i], (clock.now - began).inSeconds)
      }
    }
    report(
      SpeedResult(
        "group", "first tokens of 16 samples, prompt of \(count)", best[1], "s", limit: best[0],
        limitName: "of the time of one sample"))
  }

  /// Tokens a second in all of `streams` completions behind one prompt of 64 tokens for each adapter.
  func decoding(streams: Int, adapters: [AttachedAdapter?]) async throws -> Double {
    let engine = Engine(model: model, batchLimit: max(streams, 1), speculation: .off)
    let each = max(streams / adapters.count, 1)
    // The batch is full once the last prompt is computed, and until the first completions end.
    let extra = 2 * (adapters.count - 1)
    engine.recordSteps()
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
    // Only full steps count, and of them the fastest quarter's last: others use the machine too.
    let times = engine.recordedSteps.filter { $0.streams == each * adapters.count }.map(\.seconds).sorted()
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

  /// The cost of adapters. The same steps without one are measured just before and after, because the speed of a shared
  /// machine's memory changes within a minute.
  func reportAdapters() async throws {
    for rank in quick ? [32] : [8, 32, 64] {
      let adapter = try attach(rank: rank, seed: 1)
      for streams in [1, 16] {
        let before = try await decoding(streams: streams, adapters: [nil])
        let rate = try await decoding(streams: streams, adapters: [adapter])
        let after = try await decoding(streams: streams, adapters: [nil])
        report(
          SpeedResult(
            "decode\(streams)-r\(rank)", "decode, \(streams) with an adapter of rank \(rank)", rate, "tok/s",
            limit: (before + after) / 2, limitName: "of the same without"))
      }
    }
    let one = try await decoding(streams: 16, adapters: [try attach(rank: 32, seed: 1)])
    for count in quick ? [4] : [4, 16] {
      let adapters = try (1...count).map { try attach(rank: 32, seed: UInt64($0)) }
      report(
        SpeedResult(
          "decode16-a\(count)", "decode, 16 over \(count) adapters of rank 32",
          try await decoding(streams: 16, adapters: adapters), "tok/s", limit: one,
          limitName: "of one adapter's"))
    }
  }

  /// One stream deep in a context.
  func reportContexts() {
    var short = 0.0
    for context in [512, 8192] where context + 16 < model.config.maxPositions {
      let times = model.stepSeconds(behind: context, count: quick ? 4 : 8).sorted()
      let rate = 1 / times[times.count / 4]
      if context == 512 { short = rate }
      report(
        SpeedResult(
          "context\(context)", "decode, 1 stream behind \(context) tokens", rate, "tok/s",
          limit: context == 512 ? nil : short, limitName: context == 512 ? "" : "of that behind 512"))
    }
  }

  /// How full the batch stays over many prompts with answers of very different lengths.
  func reportQueue() async throws {
    let batch = 16
    let prompts = quick ? 12 : 200
    let engine = Engine(model: model, batchLimit: batch, speculation: .off)
    engine.recordSteps()
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
    let full = engine.recordedSteps.filter { $0.streams == batch }.map(\.seconds).sorted()
    let steady = full.isEmpty ? nil : Double(batch) / full[full.count / 2]
    report(
      SpeedResult(
        "queue-rate", "a queue of \(prompts) prompts × 4, prompts and end included",
        Double(statistics.tokensDrawn) / seconds, "tok/s", limit: steady, limitName: "of its full steps"))
    report(
      SpeedResult(
        "queue", "rows in a step over a queue of \(prompts) prompts × 4",
        Double(statistics.decodeRows) / Double(max(statistics.decodeSteps, 1)), "rows",
        limit: Double(batch), limitName: "of the batch"))
    let total = statistics.forwardSeconds + statistics.samplingSeconds + statistics.otherSeconds
    report(
      SpeedResult(
        "sampling", "drawing tokens, share of the time", 100 * statistics.samplingSeconds / total, "%"))
    report(
      SpeedResult(
        "other", "outside of both, share of the time", 100 * statistics.otherSeconds / total, "%"))
  }
}
