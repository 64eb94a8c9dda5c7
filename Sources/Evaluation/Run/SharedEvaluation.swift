import ModelFiles
package import Processes
import Support
import TinaRuntime

/// How several processes share an evaluation: each makes its share of the completions, and the first one saves all.
///
/// They meet about once a second. With one process nothing is exchanged.
struct SharedEvaluation {
  private let processes: any ProcessGroup
  /// What this process has made since they met.
  private var made: [CompletionRecord] = []

  /// Whether there are several processes.
  var isShared: Bool { processes.count > 1 }

  init(_ processes: any ProcessGroup) { self.processes = processes }

  /// The completions that the first process has from earlier runs, in all processes.
  func saved(_ mine: Set<CompletionRecord.Key>, of keys: [CompletionRecord.Key]) throws -> Set<
    CompletionRecord.Key
  > {
    guard isShared else { return mine }
    let bytes = try processes.fromFirst { keys.map { mine.contains($0) ? 1 : 0 } }
    return Set(zip(keys, bytes).filter { $1 == 1 }.map(\.0))
  }

  /// This process's share: single samples in turn, so that those of a hard problem go to different processes.
  func share(of questions: [Question]) -> [Question] {
    guard isShared else { return questions }
    let single = questions.flatMap { question in
      question.samples.map { sample in
        Question(
          contestant: question.contestant, problem: question.problem, index: question.index,
          messages: question.messages, samples: sample..<sample + 1)
      }
    }
    return processes.share(of: single.count).map { single[$0] }
  }

  /// Keeps a completion until the processes meet.
  mutating func add(_ record: CompletionRecord) { made.append(record) }

  /// Meets the others.
  ///
  /// - Parameters:
  ///   - isDone: whether this process has made its whole share.
  ///   - tokens: tokens that it has drawn so far.
  /// - Returns: the completions that all have made since they met last, in the first process; the tokens of all, and
  ///   whether all are done.
  mutating func meet(isDone: Bool, tokens: Int) throws -> (
    records: [CompletionRecord], tokens: Int, isDone: Bool
  ) {
    let message = Message { message in
      message.add(isDone ? 1 : 0)
      message.add(tokens)
      message.add(made.count)
      for record in made { message.add(record.line) }
    }
    made = []
    var all: (records: [CompletionRecord], tokens: Int, isDone: Bool) = ([], 0, true)
    for (rank, bytes) in try processes.gather(message.bytes).enumerated() {
      var reader = MessageReader(bytes)
      let done = try reader.int() == 1
      all.isDone = all.isDone && done
      all.tokens += try reader.int()
      guard processes.isFirst else { continue }
      for _ in 0..<(try reader.count()) {
        let name = processes.name(of: rank)
        all.records.append(
          try CompletionRecord(JSON.parse(Array(reader.text().utf8), file: name), file: name, place: "")
        )
      }
    }
    return all
  }
}

extension Evaluator {
  /// Refuses to go on unless all processes would make the same completions: by their settings, and by what their
  /// kernels make of the first problem.
  package func checkAlike(_ processes: any ProcessGroup) async throws {
    guard processes.count > 1, let problem = problems.first, let contestant = contestants.last else { return }
    // Only what computes here has kernels that could differ.
    guard let assistant = (source as? EngineAnswers)?.assistant else {
      throw ProcessError(
        .launch, place: "the evaluation", found: "\(processes.count) processes that ask a server",
        expected: "one", advice: "Start it alone: a server's answers need no other processes here.")
    }
    let advice = "Give every process the same command, and the same files under its names."
    try processes.compare(
      [
        ("base", settings.base), ("problems", settings.problems),
        ("activations", settings.activations?.rawValue ?? "none"), ("settings", settings.digest),
      ], advice: advice)
    var request = try assistant.request(for: assistant.encode(messages(problem)))
    request.tokenizer = nil
    request.settings = AnswerSettings(
      adapter: contestant.adapter, sampling: SamplingParameters(temperature: 0), maxTokens: 4)
    let text = try await assistant.engine.generate(request).collect()
    let bytes = Message { message in
      message.add(text.ids)
      message.add(text.logProbabilities)
    }.bytes
    try processes.compare(
      [("results of the kernels", hexadecimal(Digest.sha256(bytes)))],
      advice:
        "This is a defect of the program or of that machine; leave the machine out, and please report it.")
  }
}
