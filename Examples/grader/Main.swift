import Foundation
import TinaRuntime

/// Measures a base and an adapter with a grader of one's own, on problems of Pico's.
///
///     swift run example-grader [PROBLEMS.jsonl]
@main
enum OwnGrader {
  struct Problem: Decodable {
    let problem: String
    let answer: Int
  }

  /// Whether the last whole number of the answer is the expected one.
  static func isRight(_ answer: String, expected: Int) -> Bool {
    answer.split { !$0.isWholeNumber && $0 != "-" }.last.flatMap { Int($0) } == expected
  }

  static func main() async throws {
    let path = CommandLine.arguments.dropFirst().first ?? "Models/pico/heldout.jsonl"
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").prefix(20)
    let problems = try lines.map { try JSONDecoder().decode(Problem.self, from: Data($0.utf8)) }

    for adapter in [nil, "Models/pico/adapter"] {
      let assistant = try Assistant(model: "Models/pico", adapter: adapter)
      var right = 0
      for problem in problems {
        let answers = try await assistant.samples(of: problem.problem, count: 8, seed: 7)
        right += answers.filter { isRight($0.text, expected: problem.answer) }.count
      }
      print("\(adapter ?? "base alone"): \(100 * right / (8 * problems.count)) % right")
    }
  }
}
