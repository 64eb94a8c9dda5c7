import Judging
import ModelFiles
import Problems
import Support

/// A completion, and the problem that it answers.
struct AnsweredProblem: Sendable {
  let record: CompletionRecord
  let problem: Problem

  /// As a command reads it.
  var judged: JudgedCompletion {
    JudgedCompletion(
      prompt: problem.text, completion: record.judgedText, answer: problem.answer,
      finishReason: record.finishReason, tokens: record.tokens, columns: problem.columns)
  }

  /// Whether it is right by a command's value; nil if the command leaves it out.
  ///
  /// - Throws: `JudgeError` for a value that is no verdict.
  func verdict(_ value: Double?, _ command: JudgeCommand) throws(JudgeError) -> Bool? {
    switch value {
    case nil: return nil
    case 1: return true
    case 0: return false
    case let value?:
      throw JudgeError(
        .reply,
        place: "command \(command.name): problem \(printable(problem.id)), sample \(record.key.sample)",
        found: "the value \(value)", expected: "1 for a right answer, 0 for a wrong one, or null",
        advice: "A command that grades says whether an answer is right. Rewards may be any number.")
    }
  }
}

extension Judge {
  /// Whether each answer is right; nil where the command leaves it out. Batches are as large as the command may have.
  ///
  /// - Throws: `JudgeError`, for a value that is no verdict too.
  func verdicts(_ answers: [AnsweredProblem]) async throws -> [Bool?] {
    var verdicts: [Bool?] = []
    for first in stride(from: 0, to: answers.count, by: command.batchLimit) {
      let batch = answers[first..<min(first + command.batchLimit, answers.count)]
      for (value, answer) in zip(try await values(batch.map(\.judged)), batch) {
        verdicts.append(try answer.verdict(value, command))
      }
    }
    return verdicts
  }
}

/// Completions that wait for a command's verdict. When its turn comes, those that wait are a batch, up to the number
/// that the command may have.
final class VerdictLine: Sendable {
  private typealias Waiting = (answer: AnsweredProblem, told: CheckedContinuation<Bool?, any Error>)

  private struct State: Sendable {
    var waiting: [Waiting] = []
    var asked: [Int: [Waiting]] = [:]
    var turns = 0
  }

  let judge: Judge
  private let state = Locked(State())

  init(_ judge: Judge) { self.judge = judge }

  /// Whether an answer is right; nil if the command leaves it out.
  ///
  /// - Throws: `JudgeError`, for a value that is no verdict too.
  func verdict(_ answer: AnsweredProblem) async throws -> Bool? {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { told in
        state.withLock { $0.waiting.append((answer, told)) }
        // Each turn follows one answer that was put in, and may take others with it.
        judge.answer {
          self.next()
        } done: { turn, values in
          self.tell(turn, values)
        }
      }
    } onCancel: {
      judge.cancel()
    }
  }

  private func next() -> (number: Int, completions: [JudgedCompletion]) {
    state.withLock { state in
      state.turns += 1
      let batch = Array(state.waiting.prefix(judge.command.batchLimit))
      state.waiting.removeFirst(batch.count)
      state.asked[state.turns] = batch
      return (state.turns, batch.map(\.answer.judged))
    }
  }

  private func tell(_ turn: Int, _ values: Result<[Double?], any Error>) {
    let batch = state.withLock { $0.asked.removeValue(forKey: turn) } ?? []
    for (index, waiting) in batch.enumerated() {
      waiting.told.resume(
        with: Result { try waiting.answer.verdict(values.get()[index], judge.command) })
    }
  }
}
