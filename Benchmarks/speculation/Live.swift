import Foundation
import TinaRuntime

/// The engine on given texts, without guesses and with them in turns.
struct Live {
  let model: Model
  let texts: [ReplayedText]
  /// Of each text, so many tokens.
  let tokens: Int

  func run(streams: Int) async throws {
    var rates: [(off: Double, auto: Double, share: Double)] = []
    for turn in 0..<2 {
      let chosen = (0..<streams).map { texts[(turn * streams + $0) % texts.count] }
      let off = try await rate(chosen, .off)
      let auto = try await rate(chosen, .auto)
      rates.append((off.rate, auto.rate, auto.share))
    }
    let (off, auto) = (rates.map(\.off).reduce(0, +) / 2, rates.map(\.auto).reduce(0, +) / 2)
    print(
      String(
        format: "%2d streams: %.1f tok/s without, %.1f with = %.2f (turns %@); %.0f %% of guesses right",
        streams, off,
        auto, auto / off, rates.map { String(format: "%.2f", $0.auto / $0.off) }.joined(separator: ", "),
        50 * rates.map(\.share).reduce(0, +)))
  }

  /// Tokens a second of the steps that only continue texts, and the share of guesses that were right.
  private func rate(
    _ texts: [ReplayedText], _ amount: Speculation.Amount
  ) async throws -> (rate: Double, share: Double) {
    let engine = Engine(model: model, batchLimit: texts.count, speculation: Speculation(amount))
    engine.recordSteps()
    let running = try texts.enumerated().map { place, text in
      var request = GenerationRequest(
        prompt: text.prompt,
        .init(
          sampling: .init(temperature: 0.6, topP: 0.95, seed: 1),
          maxTokens: min(tokens, text.completion.count)),
        endTokens: [], promptIndex: place)
      request.replayed = text.completion
      return try engine.generate(request)
    }
    for completion in running { _ = try await completion.collect() }
    let steps = engine.recordedSteps
    let statistics = engine.statistics
    return (
      Double(steps.reduce(0) { $0 + $1.tokens }) / steps.reduce(0) { $0 + $1.seconds },
      Double(statistics.acceptedTokens) / Double(max(statistics.draftedTokens, 1))
    )
  }
}
