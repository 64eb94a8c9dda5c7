import Foundation
public import Grading
public import Judging
import ModelFiles
public import Problems
package import Processes
import Support
public import TinaRuntime
import Tokenization

/// Asks every contestant every problem, several times, in one batch over the base's weights.
public struct Evaluator: Sendable {
  /// The progress of an evaluation.
  public struct Progress: Sendable {
    /// Completions so far, including those of earlier runs.
    public let done: Int
    /// Completions wanted.
    public let total: Int
    /// Tokens drawn in this run, those of completions that go on included.
    public let tokens: Int
    /// Seconds since this run began.
    public let seconds: Double
    /// Right completions so far.
    public let correct: Int
    /// Seconds for the rest at the present rate; nil before the first completion of this run.
    public let secondsLeft: Double?
  }

  let source: any AnswerSource
  package let problems: [Problem]
  let style: Benchmark.PromptStyle
  let contestants: [Contestant]
  package let settings: EvaluationSettings
  let grader: Grader
  /// Says what is right in the grader's place; nil without a command.
  private let verdicts: VerdictLine?

  package var judge: Judge? { verdicts?.judge }

  /// Makes an evaluator on this process's engine; nothing is computed yet.
  ///
  /// - Parameter judge: says what is right in the grader's place; the settings name it.
  public init(
    assistant: Assistant, problems: [Problem], style: Benchmark.PromptStyle,
    contestants: [Contestant], settings: EvaluationSettings, grader: Grader,
    judge: Judge? = nil
  ) {
    self.init(
      source: EngineAnswers(assistant: assistant, settings: settings), problems: problems, style: style,
      contestants: contestants, settings: settings, grader: grader, judge: judge)
  }

  /// Makes an evaluator that gets its answers from `source`.
  package init(
    source: any AnswerSource, problems: [Problem], style: Benchmark.PromptStyle,
    contestants: [Contestant], settings: EvaluationSettings, grader: Grader, judge: Judge? = nil
  ) {
    self.source = source
    verdicts = judge.map { VerdictLine($0) }
    self.problems = problems
    self.style = style
    self.contestants = contestants
    self.settings = settings
    self.grader = grader
  }

  /// Makes the completions that a directory lacks and saves each one. Returns all in the order of contestants, problems
  /// and samples.
  ///
  /// - Throws: `EvaluationError`, and `RuntimeError` for prompts that can't be answered.
  public func run(
    in folder: EvaluationFolder, onProgress: (Progress) -> Void = { _ in }
  ) async throws -> [CompletionRecord] {
    try await run(in: folder, sharedBy: SingleProcess(), onProgress: onProgress)
  }

  /// As the other one, shared by several processes. The first one saves everything and returns it; the others return
  /// nothing.
  ///
  /// - Parameter folder: nil in all processes but the first.
  package func run(
    in folder: EvaluationFolder?, sharedBy processes: any ProcessGroup,
    onProgress: (Progress) -> Void = { _ in }
  ) async throws -> [CompletionRecord] {
    var shared = SharedEvaluation(processes)
    let store = try processes.together {
      try folder.map { try CompletionStore($0, settings: settings, problems: problems) }
    }
    let keys = allKeys()
    let known = Set(keys)
    var records: [CompletionRecord.Key: CompletionRecord] = [:]
    for record in store?.saved ?? [] where known.contains(record.key) { records[record.key] = record }
    let all = missing(try shared.saved(Set(records.keys), of: keys))
    let groups = shared.share(of: all)
    let missingCount = all.reduce(0) { $0 + $1.samples.count }
    let began = ContinuousClock.now
    let drawn = Locked(0)
    var drawnByAll: Int?
    var made = 0
    var correct = records.values.count { $0.correct == true }
    func report() {
      let seconds = (ContinuousClock.now - began).inSeconds
      onProgress(
        Progress(
          done: records.count, total: keys.count, tokens: drawnByAll ?? drawn.withLock { $0 },
          seconds: seconds,
          correct: correct,
          secondsLeft: made == 0 ? nil : seconds / Double(made) * Double(missingCount - made)))
    }
    report()
    // Nil is a moment at which progress is told, although nothing ended.
    let (ended, continuation) = AsyncThrowingStream.makeStream(of: CompletionRecord?.self)
    // An error ends all completions, and none goes on behind it.
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask {
        while !Task.isCancelled {
          try? await Task.sleep(for: .seconds(1))
          if case .terminated = continuation.yield(nil) { return }
        }
      }
      var next = groups.makeIterator()
      var open = 0
      func startMore() throws {
        while open < source.samplesAtOnce, let group = next.next() {
          open += group.samples.count
          let asking = try start(group)
          tasks.addTask {
            do {
              try await asking(drawn) { continuation.yield($0) }
            } catch {
              continuation.finish(throwing: error)
            }
          }
        }
        if open == 0, !shared.isShared { continuation.finish() }
      }
      func save(_ record: CompletionRecord) throws {
        try store?.append(record)
        records[record.key] = record
        made += 1
        if record.correct == true { correct += 1 }
      }
      do {
        try startMore()
        for try await record in ended {
          guard let record else {
            if shared.isShared {
              let news = try shared.meet(isDone: open == 0, tokens: drawn.withLock { $0 })
              for record in news.records { try save(record) }
              drawnByAll = news.tokens
              if news.isDone { continuation.finish() }
            }
            report()
            continue
          }
          open -= 1
          if shared.isShared {
            shared.add(record)
          } else {
            try save(record)
            report()
          }
          try startMore()
        }
        tasks.cancelAll()
      } catch {
        tasks.cancelAll()
        throw error
      }
    }
    guard let store else { return [] }
    // Completions of earlier runs get their present verdicts.
    let ordered = SavedEvaluation.regraded(
      keys.compactMap { records[$0] }, problems: problems, grader: grader, keepsVerdicts: judge != nil)
    try store.finish(ordered)
    return ordered
  }

  /// In the order of the results: contestants, problems, samples.
  private func allKeys() -> [CompletionRecord.Key] {
    contestants.flatMap { contestant in
      problems.flatMap { problem in
        (0..<settings.samples).map { .init(contestant: contestant.name, id: problem.id, sample: $0) }
      }
    }
  }

  /// The missing completions. Contestants take turns at each problem, so that a stopped run has equally much of each.
  private func missing(_ there: Set<CompletionRecord.Key>) -> [Question] {
    problems.enumerated().flatMap { index, problem in
      contestants.flatMap { contestant in
        var groups: [Question] = []
        var start: Int?
        for sample in 0...settings.samples {
          let key = CompletionRecord.Key(contestant: contestant.name, id: problem.id, sample: sample)
          let isMissing = sample < settings.samples && !there.contains(key)
          if let first = start, !isMissing || sample - first == source.samplesPerQuestion {
            groups.append(
              Question(
                contestant: contestant, problem: problem, index: index, messages: messages(problem),
                samples: first..<sample))
            start = nil
          }
          if isMissing, start == nil { start = sample }
        }
        return groups
      }
    }
  }

  /// A problem that brings a system message along keeps it.
  func messages(_ problem: Problem) -> [ChatMessage] {
    ((problem.system ?? settings.system).map { [ChatMessage(role: .system, content: $0)] } ?? [])
      + problem.earlier.map { ChatMessage(role: $0.isUser ? .user : .assistant, content: $0.text) }
      + [ChatMessage(role: .user, content: style.message(for: problem.text))]
  }

  /// Starts a question, and returns what waits for its records.
  private func start(
    _ question: Question
  ) throws
    -> @Sendable (_ drawn: Locked<Int>, _ onRecord: @Sendable (CompletionRecord) -> Void) async throws
    -> Void
  {
    let asking = try source.start(question)
    return { [grader, verdicts] drawn, onRecord in
      try await asking(drawn) { answer in
        var record = CompletionRecord(
          key: .init(
            contestant: question.contestant.name, id: question.problem.id, sample: answer.sample),
          prompt: answer.prompt, completion: answer.completion, tokens: answer.tokens,
          finishReason: answer.finishReason, gold: question.problem.answer ?? "", grader: grader)
        if let verdicts {
          let answer = AnsweredProblem(record: record, problem: question.problem)
          record.correct = try await verdicts.verdict(answer)
        }
        onRecord(record)
      }
    }
  }
}
