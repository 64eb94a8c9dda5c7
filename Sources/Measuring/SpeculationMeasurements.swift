import AdapterFormat
import Support
import TinaRuntime

extension SpeedBenchmark {
  /// What checking guesses costs, and what guesses gain and cost over a whole answer.
  func reportSpeculation() async throws {
    let plain = median(model.stepSeconds(behind: 256, count: quick ? 4 : 8))
    for rows in quick ? [4] : [2, 4, 8] {
      let seconds = median(model.stepSeconds(behind: 256, count: quick ? 4 : 8, rows: rows))
      report(
        SpeedResult(
          "check\(rows - 1)", "a step that checks \(rows - 1) guess\(rows == 2 ? "" : "es")", 1000 * seconds,
          "ms",
          limit: 1000 * plain, limitName: "of a step without"))
    }
    let count = quick ? 48 : 160
    // A text of a random model does not repeat itself, so texts are given: one that does, and one that seems to.
    let period = tokens(24, seed: 7)
    let repeating = (0..<count).map { period[$0 % period.count] }
    let few = tokens(6, seed: 8)
    let misleading = tokens(count, seed: 9).map { few[$0 % few.count] }
    for (name, title, text) in [
      ("guess-right", "a text that repeats itself, guesses on", repeating),
      ("guess-wrong", "a text that misleads, guesses on", misleading),
    ] {
      let off = try await replaying(text, .off)
      let on = try await replaying(text, .auto)
      report(SpeedResult(name, title, on, "tok/s", limit: off, limitName: "of the same without"))
    }
  }

  /// Tokens a second of one stream that takes these tokens, whatever it draws.
  private func replaying(_ text: [Int], _ amount: Speculation.Amount) async throws -> Double {
    let engine = Engine(model: model, speculation: Speculation(amount))
    var request = GenerationRequest(
      prompt: tokens(16, seed: 6),
      .init(sampling: .init(temperature: 0.6, topP: 0.95, seed: 1), maxTokens: text.count), endTokens: [])
    request.replayed = text
    engine.recordSteps()
    _ = try await engine.generate(request).collect()
    let steps = engine.recordedSteps
    return Double(steps.reduce(0) { $0 + $1.tokens }) / steps.reduce(0) { $0 + $1.seconds }
  }

  private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
