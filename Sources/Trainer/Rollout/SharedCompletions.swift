import Processes
import TinaRuntime

/// The completions of several processes, each of which makes its share; all get the whole.
///
/// What a completion is depends on its prompt's and its own number, and not on who makes it.
struct SharedCompletions: CompletionSource {
  /// Where this process's share comes from.
  let source: any CompletionSource
  let processes: any ProcessGroup

  var isExact: Bool { source.isExact }

  /// Deals out the single completions in turn: those of a hard problem, which are long, go to different processes.
  func complete(_ requests: [GenerationRequest], samples: Int) async throws -> [[CompletedText]] {
    let total = requests.count * samples
    let mine = processes.share(of: total).map { place in
      var request = requests[place / samples]
      request.sampleIndex += place % samples
      return request
    }
    let made = try await source.complete(mine, samples: 1)
    let message = Message { message in for completions in made { completions.first?.write(to: &message) } }
    var readers = try processes.gather(message.bytes).map { MessageReader($0) }
    return try requests.indices.map { request in
      try (0..<samples).map { sample in
        try CompletedText(from: &readers[(request * samples + sample) % processes.count])
      }
    }
  }
}

extension CompletedText {
  fileprivate func write(to message: inout Message) {
    message.add(ids)
    message.add(logProbabilities)
    message.add(temperedLogProbabilities)
    message.add(text == nil ? 0 : 1)
    message.add(text ?? "")
    message.add(reason.rawValue)
    message.add(stopText == nil ? 0 : 1)
    message.add(stopText ?? "")
  }

  fileprivate init(from reader: inout MessageReader) throws {
    self.init()
    ids = try reader.ints()
    logProbabilities = try reader.floats()
    temperedLogProbabilities = try reader.floats()
    let hasText = try reader.int() == 1
    let text = try reader.text()
    self.text = hasText ? text : nil
    reason = FinishReason(rawValue: try reader.text()) ?? .cancelled
    let hasStop = try reader.int() == 1
    let stop = try reader.text()
    stopText = hasStop ? stop : nil
  }
}
