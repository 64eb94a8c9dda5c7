import Foundation
import ModelFiles
import TinaRuntime

/// A model's own answers to questions, without guesses and with them in turns: with what is found, and with a drafter
/// too if there is one. Engines on one model take the turns, so that a controller keeps what it has learned, as a
/// server's does.
struct Own {
  let assistant: Assistant
  let prompts: [[Int]]
  /// The most tokens of an answer.
  let tokens: Int
  /// How many tokens engines guess, but for the first, which guesses none.
  let amount: Speculation.Amount
  let drafter: Drafter?

  init(
    model: Model, questions: [String], instruction: String, tokens: Int, amount: Speculation.Amount,
    drafter: Drafter?
  ) throws {
    let assistant = try Assistant(Engine(model: model))
    self.assistant = assistant
    prompts = try questions.map { try assistant.encode($0 + "\n" + instruction) }
    self.tokens = tokens
    self.amount = amount
    self.drafter = drafter
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
    var engines = [engine(.off, streams), engine(amount, streams)]
    if let drafter { engines.append(engine(amount, streams, drafter)) }
    // Warm.
    for engine in engines { _ = try await turn(engine, 0..<min(streams, prompts.count)) }
    var rounds: [[Turn]] = []
    for (place, first) in stride(from: 0, to: prompts.count, by: streams).enumerated() {
      let chosen = first..<min(first + streams, prompts.count)
      var turns = engines.map { _ in Turn() }
      for offset in engines.indices {
        let which = (place + offset) % engines.count
        turns[which] = try await turn(engines[which], chosen)
      }
      rounds.append(turns)
    }
    show(streams, rounds, engines.map(\.statistics))
  }

  private func engine(_ amount: Speculation.Amount, _ streams: Int, _ drafter: Drafter? = nil) -> Engine {
    let engine = Engine(
      model: assistant.model, batchLimit: streams, speculation: Speculation(amount), drafter: drafter)
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

  private func show(_ streams: Int, _ rounds: [[Turn]], _ statistics: [EngineStatistics]) {
    let names = ["without", "found", "found and drafted"]
    let made = rounds.reduce(0) { $0 + $1[0].tokens }
    print("\(streams) streams, \(made) tokens")
    for which in statistics.indices {
      let seconds = rounds.reduce(0) { $0 + $1[which].seconds }
      let different = rounds.reduce(0) { sum, turns in
        sum + zip(turns[0].answers, turns[which].answers).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
      }
      let against = (0..<which).map { "\(ratio(rounds, $0, which)) of \(names[$0])" }
      print(
        String(
          format: "  %@: %.1f tok/s; %d of %d guesses right, drafter %.0f s of %.0f; %d answers differ; %@",
          names[which], Double(made) / seconds, statistics[which].acceptedTokens,
          statistics[which].draftedTokens, statistics[which].draftSeconds, seconds, different,
          against.joined(separator: ", ")))
    }
    showSteps(rounds)
  }

  /// The speed of one kind of turn beside another's, with what other choices of rounds would have given.
  private func ratio(_ rounds: [[Turn]], _ before: Int, _ after: Int) -> String {
    let times = rounds.map { (before: $0[before].seconds, after: $0[after].seconds) }
    func ratio(_ chosen: some Sequence<Int>) -> Double {
      let sums = chosen.reduce(into: (0.0, 0.0)) {
        $0.0 += times[$1].before
        $0.1 += times[$1].after
      }
      return sums.0 / sums.1
    }
    var random = SystemRandomNumberGenerator()
    let others = (0..<2000).map { _ in
      ratio(times.indices.map { _ in Int.random(in: times.indices, using: &random) })
    }.sorted()
    return String(
      format: "%.3f (95 %%: %.3f to %.3f of %d rounds)", ratio(times.indices), others[50], others[1949],
      times.count)
  }

  /// Median milliseconds of steps without a drafter, by their rows.
  private func showSteps(_ rounds: [[Turn]]) {
    var times: [[Int]: [Double]] = [:]
    for step in rounds.flatMap({ $0.prefix(2).flatMap { Array($0.steps) } }) {
      times[[step.streams, step.rows], default: []].append(step.seconds)
    }
    let most = times.keys.map { $0[0] }.max() ?? 1
    let full = times.filter { $0.key[0] == most && $0.value.count >= 5 }
    let shown = full.sorted { $0.key[1] < $1.key[1] }.map { key, seconds in
      let median = String(format: "%.2f", 1000 * seconds.sorted()[seconds.count / 2])
      return "\(key[1]): \(median) (\(seconds.count))"
    }
    print("  ms of a step of \(most) streams by rows: " + shown.joined(separator: ", "))
  }
}
