import Foundation
import Support
import TinaRuntime

/// What a model answered, and how fast.
struct TimedAnswer {
  var text = ""
  var ids: [Int] = []
  var reason = FinishReason.cancelled
  let promptTokens: Int
  /// Until the first token was there.
  var prefill = Duration.zero
  /// From the first token to the last.
  var decode = Duration.zero

  /// Nil where no token came, so that nothing was measured.
  var prefillRate: Double? { ids.isEmpty ? nil : prefill.rate(of: promptTokens) }
  /// The first token comes with the prompt.
  var decodeRate: Double? { decode.rate(of: ids.count - 1) }

  func summary(_ sampling: SamplingParameters, _ activations: ActivationType) -> String {
    let rate = { (value: Double?) in
      value.map { String(format: $0 < 100 ? ", %.1f/s" : ", %.0f/s", $0) } ?? ""
    }
    return [
      "prompt \(promptTokens) tokens" + rate(prefillRate), "answer \(ids.count) tokens" + rate(decodeRate),
      sampling.temperature == 0 ? "greedy" : "seed \(sampling.seed)", "\(activations.rawValue) activations",
      "ended by \(reason.rawValue)",
    ].joined(separator: " · ")
  }
}

/// A completion that is timed from its start.
struct TimedCompletion {
  let completion: Completion
  private let promptTokens: Int
  private let began = ContinuousClock.now

  /// Starts an answer to `prompt`.
  init(_ assistant: Assistant, _ prompt: [Int], promptIndex: Int = 0) throws {
    completion = try assistant.engine.generate(assistant.request(for: prompt, promptIndex: promptIndex))
    promptTokens = prompt.count
  }

  /// Waits for the end. `onText` gets the text as it comes, in whole characters.
  func collect(onText: (String) throws -> Void = { _ in }) async throws -> TimedAnswer {
    var answer = TimedAnswer(promptTokens: promptTokens)
    func add(_ text: String) throws {
      answer.text += text
      if !text.isEmpty { try onText(text) }
    }
    for try await event in completion {
      switch event {
      case .token(let token):
        answer.ids.append(token.id)
        try add(token.text ?? "")
      case .finished(let ending):
        try add(ending.text)
        answer.reason = ending.reason
      }
    }
    if let times = completion.tokenTimes {
      answer.prefill = times.first - began
      answer.decode = times.last - times.first
    }
    return answer
  }
}
