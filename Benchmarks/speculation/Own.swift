import Foundation
import ModelFiles
import TinaRuntime

/// A model's own answers to questions, without guesses and with them in turns. Two engines on one model take the turns,
/// so that a controller keeps what it has learned, as a server's does.
struct Own {
  let assistant: Assistant
  let prompts: [[Int]]
  /// The most tokens of an answer.
  let tokens: Int
  /// How many tokens the second engine guesses; the first guesses none.
  let amount: Speculation.Amount

  init(model: Model, questions: [String], instruction: String, tokens: Int, amount: Speculation.Amount) throws
  {
    let assistant = try Assistant(Engine(model: model))
    self.assistant = assistant
    prompts = try questions.map { try assistant.encode($0 + "\n" + instruction) }
    self.tokens = tokens
    self.amount = amount
  }

  static func questions(_ path: String, count: Int) throws -> [String] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").prefix(count).map { line in
      try JSON.parse(Array(line.utf8), file: path).object?["question"]?.string ?? ""
    }
  }

  /// A turn: the steps that only continued answers, and the answers.
  private struct Turn {
    var steps: ArraySlice<StepRecord> = []
    var answers: [[Int]] = []
    var seconds: Double { steps.reduce(0) { $0 + $1.seconds } }
    var tokens: Int { steps.reduce(0) { $0 + $1.tokens } }
  }

  func run(streams: Int) async throws {
    let (plain, guessing) = (engine(.off, streams), engine(amount, streams))
    _ = try await turn(plain, 0..<min(streams, prompts.count))  // warm
    var pairs: [(off: Turn, on: Turn)] = []
    for (place, first) in stride(from: 0, to: prompts.count, by: streams).enumerated() {
      let chosen = first..<min(first + streams, prompts.count)
      if place.isMultiple(of: 2) {
        let off = try await turn(plain, chosen)
        pairs.append((off, try await turn(guessing, chosen)))
      } else {
        let on = try await turn(guessing, chosen)
        pairs.append((try await turn(plain, chosen), on))
      }
    }
    show(streams, pairs, guessing.statistics)
  }

  private func engine(_ amount: Speculation.Amount, _ streams: Int) -> Engine {
    let engine = Engine(model: assistant.model, batchLimit: streams, speculation: Speculation(amount))
    engine.recordSteps()
    return engine
  }

  private func turn(_ engine: Engine, _ chosen: Range<Int>) async throws -> Turn {
    let before = engine.recordedSteps.count
    var settings = assistant.settings
    settings.sampling = .init(temperature: 0.6, topP: 0.95, seed: 1)
    settings.maxTokens = tokens
    let running = try chosen.map { place in
      var request = assistant.request(for: prompts[place], promptIndex: place)
      request.settings = settings
      return try engine.generate(request)
    }
    var turn = Turn()
    for completion in running { turn.answers.append(try await completion.collect().ids) }
    turn.steps = engine.recordedSteps[before...]
    return turn
  }

  private func show(_ streams: Int, _ pairs: [(off: Turn, on: Turn)], _ statistics: EngineStatistics) {
    let (off, on) = (pairs.map(\.off.seconds), pairs.map(\.on.seconds))
    let made = pairs.reduce(0) { $0 + $1.off.tokens }
    let different = pairs.reduce(0) { sum, pair in
      sum + zip(pair.off.answers, pair.on.answers).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
    }
    // What other choices of pairs would have given, as often as not.
    var random = SystemRandomNumberGenerator()
    let ratios = (0..<2000).map { _ in
      let chosen = pairs.indices.map { _ in Int.random(in: pairs.indices, using: &random) }
      return chosen.reduce(0) { $0 + off[$1] } / chosen.reduce(0) { $0 + on[$1] }
    }.sorted()
    let (plain, guessed) = (off.reduce(0, +), on.reduce(0, +))
    print(
      String(
        format:
          "%2d streams: %d tokens, %.1f tok/s without, %.1f with = %.3f (95 %%: %.3f to %.3f of %d pairs); "
          + "%d of %d guesses right; %d answers differ",
        streams, made, Double(made) / plain, Double(made) / guessed, plain / guessed, ratios[50],
        ratios[1949],
        pairs.count, statistics.acceptedTokens, statistics.draftedTokens, different))
    showSteps(pairs)
  }

  /// Median milliseconds of steps by their streams and rows.
  private func showSteps(_ pairs: [(off: Turn, on: Turn)]) {
    var times: [[Int]: [Double]] = [:]
    for step in pairs.flatMap({ Array($0.off.steps) + Array($0.on.steps) }) {
      times[[step.streams, step.rows], default: []].append(step.seconds)
    }
    let most = times.keys.map { $0[0] }.max() ?? 1
    let full = times.filter { $0.key[0] == most && $0.value.count >= 5 }
    let shown = full.sorted { $0.key[1] < $1.key[1] }.map { key, seconds in
      let median = String(format: "%.2f", 1000 * seconds.sorted()[seconds.count / 2])
      return "\(key[1]): \(median) (\(seconds.count))"
    }
    print("   ms of a step of \(most) streams by rows: " + shown.joined(separator: ", "))
  }
}
