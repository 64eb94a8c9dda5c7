package import Problems
package import Support
import TinaRuntime
package import Tokenization

/// Neighbouring samples of one problem and contestant.
package struct Question: Sendable {
  /// Who is asked.
  package let contestant: Contestant
  /// What is asked.
  package let problem: Problem
  /// The problem's place among all.
  package let index: Int
  /// The conversation that the model continues.
  package let messages: [ChatMessage]
  /// Which samples are wanted.
  package let samples: Range<Int>
}

/// One sample's answer.
package struct QuestionAnswer: Sendable {
  /// The number of the sample.
  let sample: Int
  /// The conversation as the model saw it.
  let prompt: String
  /// The model's text without special tokens.
  let completion: String
  /// Tokens drawn, including the one that ended it.
  let tokens: Int
  /// `stop` or `length`.
  let finishReason: String
}

/// A source of answers for an evaluation. Contestants share the random numbers of a problem's sample, so that only they
/// make a difference.
package protocol AnswerSource: Sendable {
  /// What waits for a question's answers. It adds the tokens that came to `drawn`, and calls `onAnswer` for each
  /// sample.
  typealias Asking =
    @Sendable (_ drawn: Locked<Int>, _ onAnswer: @Sendable (QuestionAnswer) async throws -> Void) async throws
    -> Void

  /// The most samples that are under way at once.
  var samplesAtOnce: Int { get }
  /// The most samples of one question.
  var samplesPerQuestion: Int { get }
  /// Starts a question, and returns what waits for its answers.
  func start(_ question: Question) throws -> Asking
}

/// The answers of this process's engine.
struct EngineAnswers: AnswerSource {
  let assistant: Assistant
  let settings: EvaluationSettings

  /// Enough for full batches, few enough for little memory.
  var samplesAtOnce: Int { 192 }
  /// One request, whose prompt is computed once.
  var samplesPerQuestion: Int { .max }

  func start(_ question: Question) throws -> Asking {
    var request = try assistant.request(
      for: assistant.encode(question.messages), promptIndex: question.index,
      sampleIndex: question.samples.lowerBound)
    // Whole texts are decoded here, not token by token on the engine's thread.
    request.tokenizer = nil
    request.settings = AnswerSettings(
      adapter: question.contestant.adapter, sampling: settings.sampling, maxTokens: settings.maxTokens)
    let completions = try assistant.engine.generate(request, samples: question.samples.count)
    let prompt = try assistant.prompts.render(question.messages)
    return { [assistant] drawn, onAnswer in
      var texts = [CompletedText](repeating: .init(), count: question.samples.count)
      for try await element in completions {
        let before = texts[element.sample].ids.count
        texts[element.sample].add(element.event)
        let new = texts[element.sample].ids.count - before
        drawn.withLock { $0 += new }
        guard case .finished = element.event else { continue }
        let text = texts[element.sample]
        try await onAnswer(
          QuestionAnswer(
            sample: question.samples.lowerBound + element.sample, prompt: prompt,
            completion: assistant.text(of: text.ids), tokens: text.ids.count,
            finishReason: text.reason.rawValue))
      }
    }
  }
}
