import ModelFiles
import TinaRuntime

/// What one request generates: samples of each of its prompts.
struct GenerationPlan: Sendable {
  var prompts: [[Int]]
  var samples: Int
  var settings: AnswerSettings
  /// What the client expects each answer to be, or a part of it.
  var prediction: [Int] = []
  /// What Tina's own clients ask for.
  var tina = TinaFields()
  /// The conversation as the model sees it, where the answer tells it.
  var promptText: String?

  var completions: Int { prompts.count * samples }

  /// The engine's requests, one for each prompt.
  ///
  /// - Throws: `RuntimeError` for what the engine would refuse.
  func requests(_ assistant: Assistant) throws(RuntimeError) -> [GenerationRequest] {
    var assistant = assistant
    assistant.settings = settings
    var requests: [GenerationRequest] = []
    for prompt in prompts {
      var request = assistant.request(
        for: prompt, promptIndex: tina.promptIndex, sampleIndex: tina.sampleIndex)
      request.prediction = prediction
      try assistant.engine.validate(request)
      requests.append(request)
    }
    return requests
  }
}

/// The running completions of one request. Dropping the value, or cancelling the task that reads it, cancels them all.
struct Generation: Sendable {
  /// An event of one completion.
  struct Event: Sendable {
    /// The completion's number; samples of the first prompt come first.
    let choice: Int
    let event: Completion.Event
  }

  private let groups: [CompletionGroup]
  private let samples: Int

  /// Starts the completions.
  ///
  /// - Throws: `RuntimeError` for what the engine refuses.
  init(_ requests: [GenerationRequest], samples: Int, on engine: Engine) throws(RuntimeError) {
    self.samples = samples
    var groups: [CompletionGroup] = []
    for request in requests { groups.append(try engine.generate(request, samples: samples)) }
    self.groups = groups
  }

  /// Calls `body` with every event, prompt after prompt.
  ///
  /// - Throws: `RuntimeError` when a completion fails; `CancellationError`; what `body` throws.
  func forEach(_ body: (Event) async throws -> Void) async throws {
    for (place, group) in groups.enumerated() {
      for try await element in group {
        try await body(Event(choice: place * samples + element.sample, event: element.event))
      }
      try Task.checkCancellation()
    }
  }
}
