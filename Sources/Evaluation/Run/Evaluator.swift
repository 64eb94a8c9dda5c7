import Foundation
public import Grading
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

  /// The most samples at the engine: enough for full batches, few enough for little memory.
  private static let inFlight = 192

  let assistant: Assistant
  package let problems: [Problem]
  let style: Benchmark.PromptStyle
  let contestants: [Contestant]
  package let settings: EvaluationSettings
  let grader: Grader

  /// Makes an evaluator; nothing is computed yet.
  public init(
    assistant: Assistant, problems: [Problem], style: Benchmark.PromptStyle,
    contestants: [Contestant], settings: EvaluationSettings, grader: Grader
  ) {
    self.assistant = assistant
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
        while open < Self.inFlight, let group = next.next() {
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
      keys.compactMap { records[$0] }, problems: problems, grader: grader)
    try store.finish(ordered)
    return ordered
  }

  /// Neighbouring samples of one problem and contestant. They are one request, whose prompt is computed once.
  struct Group: Sendable {
    let contestant: Contestant
    let problem: Problem
    let index: Int
    let samples: Range<Int>
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
  private func missing(_ there: Set<CompletionRecord.Key>) -> [Group] {
    problems.enumerated().flatMap { index, problem in
      contestants.flatMap { contestant in
        var groups: [Group] = []
        var start: Int?
        for sample in 0...settings.samples {
          let key = CompletionRecord.Key(contestant: contestant.name, id: problem.id, sample: sample)
          let isMissing = sample < settings.samples && !there.contains(key)
          if isMissing, start == nil { start = sample }
          if !isMissing, let first = start {
            groups.append(
              Group(contestant: contestant, problem: problem, index: index, samples: first..<sample))
            start = nil
          }
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

  /// Starts a group, and returns what waits for its records. Contestants share the random numbers of a problem's
  /// sample, so that only they make a difference.
  private func start(
    _ group: Group
  ) throws
    -> @Sendable (_ drawn: Locked<Int>, _ onRecord: @Sendable (CompletionRecord) -> Void) async throws
    -> Void
  {
    let messages = messages(group.problem)
    var request = try assistant.request(
      for: assistant.encode(messages), promptIndex: group.index, sampleIndex: group.samples.lowerBound)
    // Whole texts are decoded here, not token by token on the engine's thread.
    request.tokenizer = nil
    request.settings = AnswerSettings(
      adapter: group.contestant.adapter, sampling: settings.sampling, maxTokens: settings.maxTokens)
    let completions = try assistant.engine.generate(request, samples: group.samples.count)
    let prompt = try assistant.prompts.render(messages)
    return { [assistant, grader] drawn, onRecord in
      var texts = [CompletedText](repeating: .init(), count: group.samples.count)
      for try await element in completions {
        let before = texts[element.sample].ids.count
        texts[element.sample].add(element.event)
        let new = texts[element.sample].ids.count - before
        drawn.withLock { $0 += new }
        guard case .finished = element.event else { continue }
        let text = texts[element.sample]
        onRecord(
          CompletionRecord(
            key: .init(
              contestant: group.contestant.name, id: group.problem.id,
              sample: group.samples.lowerBound + element.sample),
            prompt: prompt,
            completion: assistant.text(of: text.ids), tokens: text.ids.count,
            finishReason: text.reason.rawValue, gold: group.problem.answer ?? "",
            grader: grader))
      }
    }
  }
}
