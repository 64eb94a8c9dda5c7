import ModelFiles
import TinaRuntime

/// What is generated for one request: samples of each of its prompts.
struct GenerationPlan: Sendable {
  var prompts: [[Int]]
  var samples: Int
  var settings: AnswerSettings

  var completions: Int { prompts.count * samples }

  /// What the engine is asked for, one for each prompt.
  ///
  /// - Throws: `RuntimeError` for what it would refuse.
  func requests(_ assistant: Assistant) throws(RuntimeError) -> [GenerationRequest] {
    var assistant = assistant
    assistant.settings = settings
    var requests: [GenerationRequest] = []
    for prompt in prompts {
      let request = assistant.request(for: prompt)
      try assistant.engine.validate(request)
      requests.append(request)
    }
    return requests
  }
}

/// Completions in the making. Dropping it, or cancelling the task that reads it, cancels all of them.
struct Generation: Sendable {
  /// What one completion has told.
  struct Event: Sendable {
    /// Which: samples of the first prompt first.
    let choice: Int
    let event: Completion.Event
  }

  private let groups: [CompletionGroup]
  private let samples: Int

  /// Starts them.
  ///
  /// - Throws: `RuntimeError` for what the engine refuses.
  init(_ requests: [GenerationRequest], samples: Int, on engine: Engine) throws(RuntimeError) {
    self.samples = samples
    var groups: [CompletionGroup] = []
    for request in requests { groups.append(try engine.generate(request, samples: samples)) }
    self.groups = groups
  }

  /// Tells every event, those of one prompt after those of the one before it.
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
