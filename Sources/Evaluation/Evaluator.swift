import Foundation
import Grading
import TinaRuntime
import Tokenization

/// Asks every problem of every contestant, several times, in one batch over the base's weights.
public struct Evaluator: Sendable {
  /// How far an evaluation is.
  public struct Progress: Sendable {
    /// Completions that are there, those of earlier runs included.
    public let done: Int
    /// Completions wanted.
    public let total: Int
    /// Tokens drawn in this run.
    public let tokens: Int
    /// Seconds since this run began.
    public let seconds: Double
    /// Right ones among those that are there.
    public let correct: Int
    /// Seconds that the rest will take at the rate so far; nil before the first completion of this run.
    public let secondsLeft: Double?
  }

  /// Enough requests wait at the engine that its batch stays full; no more, so that memory stays small.
  private static let inFlight = 160

  let engine: Engine
  let prompts: PromptEncoder
  let problems: [Problem]
  let style: Benchmark.PromptStyle
  let contestants: [Contestant]
  let settings: EvaluationSettings
  let grader: Grader

  /// Makes an evaluator; nothing is computed yet.
  public init(
    engine: Engine, prompts: PromptEncoder, problems: [Problem], style: Benchmark.PromptStyle,
    contestants: [Contestant], settings: EvaluationSettings, grader: Grader
  ) {
    self.engine = engine
    self.prompts = prompts
    self.problems = problems
    self.style = style
    self.contestants = contestants
    self.settings = settings
    self.grader = grader
  }

  /// Makes the completions that are not yet in `directory`, saves each as it comes, and returns them all in
  /// the order of contestants, problems and samples.
  ///
  /// - Throws: `EvaluationError`, and `RuntimeError` for prompts that can't be answered.
  public func run(
    directory: String, onProgress: (Progress) -> Void = { _ in }
  ) async throws -> [CompletionRecord] {
    let store = try CompletionStore(directory: directory, settings: settings, problems: problems)
    var records: [CompletionRecord.Key: CompletionRecord] = [:]
    for record in store.saved { records[record.key] = record }
    let wanted = tasks()
    let keys = wanted.map(\.key)
    let known = Set(keys)
    records = records.filter { known.contains($0.key) }
    let missing = wanted.filter { records[$0.key] == nil }
    let began = ContinuousClock.now
    var tokens = 0
    var made = 0
    func report() {
      let seconds = Double((ContinuousClock.now - began) / .milliseconds(1)) / 1000
      onProgress(
        Progress(
          done: records.count, total: keys.count, tokens: tokens, seconds: seconds,
          correct: records.values.reduce(0) { $0 + ($1.correct == true ? 1 : 0) },
          secondsLeft: made == 0 ? nil : seconds / Double(made) * Double(missing.count - made)))
    }
    report()
    try await withThrowingTaskGroup(of: CompletionRecord.self) { group in
      var next = missing.makeIterator()
      func startOne() throws {
        guard let task = next.next() else { return }
        let completion = try start(task)
        group.addTask { try await record(task, completion) }
      }
      for _ in 0..<min(Self.inFlight, missing.count) { try startOne() }
      while let record = try await group.next() {
        try store.append(record)
        records[record.key] = record
        tokens += record.tokens
        made += 1
        report()
        try startOne()
      }
    }
    // Saved completions are judged by the rules of today.
    let all = SavedEvaluation.regraded(keys.compactMap { records[$0] }, problems: problems, grader: grader)
    try store.finish(all)
    return all
  }

  private struct Task: Sendable {
    let contestant: Contestant
    let problem: Problem
    let index: Int
    let sample: Int
    var key: CompletionRecord.Key {
      .init(contestant: contestant.name, id: problem.id, sample: sample)
    }
  }

  /// In the order of the results: contestants, problems, samples.
  private func tasks() -> [Task] {
    contestants.flatMap { contestant in
      problems.enumerated().flatMap { index, problem in
        (0..<settings.samples).map {
          Task(contestant: contestant, problem: problem, index: index, sample: $0)
        }
      }
    }
  }

  private func messages(_ problem: Problem) -> [ChatMessage] {
    (settings.system.map { [ChatMessage(role: .system, content: $0)] } ?? [])
      + [ChatMessage(role: .user, content: style.message(for: problem.text))]
  }

  /// Contestants share the random numbers of a problem's sample: what differs between them is their doing.
  private func start(_ task: Task) throws -> Completion {
    try engine.generate(
      GenerationRequest(
        prompt: prompts.encode(messages(task.problem)), adapter: task.contestant.adapter,
        sampling: settings.sampling, maxTokens: settings.maxTokens,
        stopTokens: Set(engine.model.directory.eosTokenIDs), allowedTokens: prompts.tokenizer.idCount,
        promptIndex: task.index, sampleIndex: task.sample))
  }

  private func record(_ task: Task, _ completion: Completion) async throws -> CompletionRecord {
    let (ids, _, reason) = try await completion.collect()
    let stops = Set(engine.model.directory.eosTokenIDs)
    return CompletionRecord(
      key: task.key, prompt: prompts.render(messages(task.problem)),
      completion: prompts.tokenizer.decode(ids.filter { !stops.contains($0) }, skipSpecialTokens: true),
      tokens: ids.count, finishReason: reason.rawValue, gold: task.problem.answer, grader: grader)
  }
}
