import Foundation
import ModelFiles
import TinaRuntime
import Tokenization

/// What guessing ahead gains on real texts: completions that a model once wrote are taken as its choices.
///
///     speculation-benchmark MODEL TOKENIZER ANSWERS.jsonl [--streams 1,2,4,8,16] [--live TOKENS] [--costs S,S,...]
///       [--draft MODEL | --draft-costs S,S,...] [--agreement P]
///     speculation-benchmark MODEL QUESTIONS.jsonl --own TOKENS [--streams N,N] [--count N] [--instruction TEXT]
///       [--draft MODEL]
///
/// A line of ANSWERS has "question" and "completion". Steps of 1 to 64 rows are measured on MODEL first, or given in
/// seconds as --costs for 1, 2, 4, 8, 16, 32 and 64 rows. Then the engine's own index and controller go through all
/// texts with steps that take so long. With --live the engine itself computes the first TOKENS tokens of each text,
/// without guesses and with them in turns. MODEL's weights may be random: only the time of its steps counts.
///
/// With --draft a second model guesses too. In the replay its steps are measured or given, and of its guesses a share
/// P is right, drawn at random: 0.9 unless given.
///
/// With --own the model answers questions itself, in up to TOKENS tokens each: see ``Own``.
@main
enum Main {
  static func main() async throws {
    var words = Array(CommandLine.arguments.dropFirst())
    func option(_ name: String) -> String? {
      guard let at = words.firstIndex(of: name), at + 1 < words.count else { return nil }
      defer { words.removeSubrange(at...at + 1) }
      return words[at + 1]
    }
    let streams = option("--streams")?.split(separator: ",").compactMap { Int($0) } ?? [1, 2, 4, 8, 16]
    let live = option("--live").flatMap { Int($0) }
    let given = option("--costs")?.split(separator: ",").compactMap { Double($0) }
    let (draft, draftCosts) = (option("--draft"), option("--draft-costs"))
    let agreement = option("--agreement").flatMap { Double($0) } ?? 0.9
    if let own = option("--own").flatMap({ Int($0) }) {
      let count = option("--count").flatMap { Int($0) } ?? 200
      let instruction = option("--instruction") ?? "Think step by step."
      let amount = option("--speculate").flatMap { Speculation.Amount($0) } ?? .auto
      let model = try Model(path: words[0], activations: .fastest)
      let questions = try Own.questions(words[1], count: count)
      let answers = try Own(
        model: model, questions: questions, instruction: instruction, tokens: own, amount: amount,
        drafter: draft.map { try Drafter(Model(path: $0, activations: .fastest), for: model) })
      for count in streams { try await answers.run(streams: count) }
      return
    }
    guard words.count == 3, given?.count ?? 7 == 7, streams.allSatisfy({ (1...64).contains($0) }) else {
      print(
        "usage: speculation-benchmark MODEL TOKENIZER ANSWERS.jsonl [--streams N,N] [--live TOKENS] [--costs S,S,...]"
      )
      exit(64)
    }
    let texts = try ReplayedText.read(words[2], Tokenizer(directory: words[1]))
    if let live {
      let model = try Model(path: words[0], activations: .fastest)
      for count in streams { try await Live(model: model, texts: texts, tokens: live).run(streams: count) }
      return
    }
    let costs = try costs(given, words[0])
    print("seconds of a step of 1, 2, 4, 8, 16, 32, 64 rows: \(costs.text)")
    var drafter: (costs: Replay.Costs, agreement: Double)?
    if draft != nil || draftCosts != nil {
      let seconds = draftCosts?.split(separator: ",").compactMap { Double($0) }
      let costs = try self.costs(seconds, draft ?? words[0])
      print("of the drafter's: \(costs.text); \(agreement) of its guesses are right")
      drafter = (costs, agreement)
    }
    print("\(texts.count) texts, \(texts.reduce(0) { $0 + $1.completion.count }) tokens")
    print(
      "streams  guesses from               right/guessed     tokens a step   speed   time of the last quarter of tokens"
    )
    for count in streams {
      for source in Replay.Source.allCases {
        var replay = Replay(texts: texts, costs: costs, streams: count, source: source)
        show(replay, source.rawValue)
        replay.drafter = drafter
        if drafter != nil { show(replay, source.rawValue + ", drafter") }
      }
    }
    // A group is answered once all its samples are: none takes the place of one that ends.
    let groups = texts.indices.map { first in (0..<16).map { texts[(first + $0) % texts.count] } }
    for source in Replay.Source.allCases {
      let replays = groups.map { Replay(texts: $0, costs: costs, streams: $0.count, source: source) }
      show(replays, streams: 16, "group, " + source.rawValue)
    }
  }

  private static func costs(_ given: [Double]?, _ model: String) throws -> Replay.Costs {
    try given.map { Replay.Costs(seconds: $0) } ?? Replay.Costs(Model(path: model, activations: .fastest))
  }

  private static func show(_ replay: Replay, _ name: String) {
    show([replay], streams: replay.streams, name)
  }

  /// One line: all of these together.
  private static func show(_ replays: [Replay], streams: Int, _ name: String) {
    func total(isGuessing: Bool) -> Replay.Result {
      replays.reduce(into: Replay.Result()) { $0.add($1.run(isGuessing: isGuessing)) }
    }
    let (plain, guessed) = (total(isGuessing: false), total(isGuessing: true))
    print(
      String(
        format: "%7d  %@  %8d/%-8d  %13.2f  %6.2f  %8.2f", streams,
        name.padding(toLength: 25, withPad: " ", startingAt: 0), guessed.accepted, guessed.drafted,
        Double(guessed.tokens) / Double(guessed.steps), plain.seconds / guessed.seconds,
        guessed.tail / max(plain.tail, 1e-9)))
  }
}

/// A prompt and what a model once answered.
struct ReplayedText {
  let prompt: [Int]
  let completion: [Int]

  static func read(_ path: String, _ tokenizer: Tokenizer) throws -> [ReplayedText] {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    return try text.split(separator: "\n").map { line in
      let value = try JSON.parse(Array(line.utf8), file: path)
      let (question, answer) = (
        value.object?["question"]?.string ?? "", value.object?["completion"]?.string ?? ""
      )
      return ReplayedText(
        prompt: tokenizer.encode("<｜User｜>" + question + "<｜Assistant｜><think>\n"),
        completion: tokenizer.encode(answer, addSpecialTokens: false))
    }
  }
}
