import Judging
import ModelFiles
import Problems

extension Judge {
  /// Whether a completion is right; nil if the command leaves it out.
  ///
  /// - Throws: `JudgeError` for a value that is no verdict.
  func verdict(_ record: CompletionRecord, _ problem: Problem) async throws -> Bool? {
    let completion = JudgedCompletion(
      prompt: problem.text, completion: record.judgedText, answer: problem.answer,
      finishReason: record.finishReason, tokens: record.tokens, columns: problem.columns)
    // One at a time: what a command says of one must not depend on what ended beside it.
    switch try await values([completion]).first ?? nil {
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
