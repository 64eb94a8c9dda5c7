import TinaRuntime
import Tokenization

/// One prompt answered in front of a person.
struct Turn {
  let assistant: Assistant
  let adapter: AttachedAdapter?
  let sampling: SamplingParameters
  let maxTokens: Int?
  let hidesThinking: Bool

  func start(_ prompt: [Int], index: Int = 0) throws -> AnswerStream {
    try assistant.start(prompt, adapter: adapter, sampling, maxTokens: maxTokens, promptIndex: index)
  }

  /// Streams the answer to standard output, then tells its speed on standard error. Ctrl-C stops it.
  func show(_ prompt: [Int], index: Int = 0, _ interrupts: InterruptHandler) async throws -> Answer {
    let stream = try start(prompt, index: index)
    interrupts.arm { [completion = stream.completion] in completion.cancel() }
    defer { interrupts.disarm() }
    var printer = AnswerPrinter(
      thinkingIsOpen: assistant.opensThinking, hidesThinking: hidesThinking)
    let answer = try await stream.collect { printer.append($0) }
    printer.finish()
    Terminal.note(answer.summary(seed: sampling.seed, isGreedy: sampling.temperature == 0))
    return answer
  }
}
