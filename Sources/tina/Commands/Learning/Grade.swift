import ArgumentParser
import Foundation
import Grading
import ModelFiles

struct Grade: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tells whether an answer is right, and why.",
    usage: "tina grade <gold> <answer> [<options>]\n       tina grade <file> [<options>]",
    discussion: """
      The final answer is taken out of the prediction (after </think>; \\boxed{}, "final answer is", "Answer:", \
      the last mathematics) and compared with the gold answer as mathematics. The conventions are in \
      docs/reference/grading.md.

      With one argument, a file of JSON lines or - for standard input: each line {"gold", "prediction"} gives \
      {"equal", "extracted", "why"}; "equal" is null when the bound on the work was reached before a decision. \
      A line that fails gives {"line", "error"}; the others are done, and the exit code is 1.

      With two arguments, the exit code is 0 when they are equal, 1 when they differ, 2 when undecided. Put -- \
      before answers that begin with a minus sign.

      EXAMPLES:
        tina grade 1/2 0.5
        tina grade --explain '\\frac{1}{2}' 'The answer is $\\boxed{\\frac{2}{4}}$.'
        tina grade -- -3 '-\\sqrt{9}'
        tina grade completions.jsonl > verdicts.jsonl
        echo '{"gold": "x^2-1", "prediction": "(x-1)(x+1)"}' | tina grade -
      """)

  @Argument(help: "The gold answer, or a file of JSON lines (- for standard input).", completion: .lines)
  var gold: String

  @Argument(help: "The answer, or the whole completion.")
  var answer: String?

  @Flag(help: "Show which part was taken as the answer, and why it is right or wrong.")
  var explain = false

  @Flag(help: "Print the verdict as a JSON object.")
  var json = false

  @Option(help: "The bound on the work of one grading, in steps.")
  var maxSteps: Int = GradingOptions().maxSteps

  func validate() throws {
    if maxSteps < 1 { throw ValidationError("--max-steps must be at least 1.") }
    if answer == nil, explain { throw ValidationError("JSON lines always tell why; leave --explain out.") }
  }

  func run() async throws {
    var options = GradingOptions()
    options.maxSteps = maxSteps
    let grader = Grader(options: options)
    if let answer {
      try show(grader.grade(gold: gold, prediction: answer))
    } else {
      try await LineReader(path: gold).forEachLine { line in
        let gold = try line.text("gold")
        return Self.output(grader.grade(gold: gold, prediction: try line.text("prediction")))
      }
    }
  }

  private func show(_ verdict: Verdict) throws {
    if json {
      try Terminal.writeData(Self.output(verdict).line)
    } else {
      switch verdict.outcome {
      case .equal: try Terminal.writeLine("equal")
      case .different: try Terminal.writeLine("different")
      case .undecided: try Terminal.writeLine("undecided")
      }
      if explain {
        try Terminal.writeLine("answer: " + (verdict.extracted ?? "none was found"))
        try Terminal.writeLine("why:    " + verdict.why)
      }
    }
    switch verdict.outcome {
    case .equal: break
    case .different: throw ExitCode(1)
    case .undecided: throw ExitCode(2)
    }
  }

  private static func output(_ verdict: Verdict) -> JSONValue {
    .record([
      "equal": verdict.isEqual.map { .bool($0) } ?? .null,
      "extracted": verdict.extracted.map { .string($0) } ?? .null,
      "why": .string(verdict.why),
    ])
  }
}
