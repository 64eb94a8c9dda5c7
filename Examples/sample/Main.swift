import TinaRuntime

/// Answers a question with an adapter: as one text, as a stream, and sixteen times.
///
///     swift run example-sample ["QUESTION"]
@main
enum Sample {
  static func main() async throws {
    let question = CommandLine.arguments.dropFirst().first ?? "What is 12 + 3 * 4?"
    let assistant = try Assistant(model: "Models/pico", adapter: "Models/pico/adapter")

    print(try await assistant.respond(to: question))

    for try await piece in assistant.stream(question) {
      switch piece {
      case .thinking(let text): print("\u{1B}[2m\(text)\u{1B}[0m", terminator: "")  // dimmed
      case .answer(let text): print(text, terminator: "")
      }
    }
    print()

    // One prompt, one batch. The same seed gives the same sixteen answers.
    let answers = try await assistant.samples(of: question, count: 16, seed: 7)
    let byText = Dictionary(grouping: answers, by: \.text).sorted { $0.value.count > $1.value.count }
    for (text, same) in byText {
      print("\(same.count) × \(text)")
    }
  }
}
