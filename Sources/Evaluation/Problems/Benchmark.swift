import Foundation
public import Problems

/// A set of problems and how they are asked.
public struct Benchmark: Sendable {
  /// How a problem becomes the user's message.
  public enum PromptStyle: String, Sendable {
    /// The problem itself.
    case plain
    /// lighteval's request to end in `Therefore, the final answer is: $\boxed{ANSWER}$`: the paper's protocol.
    case math
    /// simple-evals' request to end in `Answer: $LETTER`.
    case choice

    /// The user's message.
    public func message(for problem: String) -> String {
      switch self {
      case .plain: problem
      case .math:
        "Solve the following math problem efficiently and clearly.  The last line of your response should be of "
          + "the following format: 'Therefore, the final answer is: $\\boxed{ANSWER}$. I hope it is correct' "
          + "(without quotes) where ANSWER is just the final number or expression that solves the problem. Think "
          + "step by step before answering.\n\n" + problem
      case .choice:
        "Answer the following multiple choice question. The last line of your response should be of the following "
          + "format: 'Answer: $LETTER' (without quotes) where LETTER is one of ABCD. Think step by step before "
          + "answering.\n\n" + problem
      }
    }
  }

  /// What it is called, in results and file names.
  public let name: String
  /// Where the problems were read from.
  public let path: String
  /// How they are asked.
  public let style: PromptStyle
  /// The problems, in the order of the file.
  public let problems: [Problem]

  /// Reads a benchmark.
  ///
  /// - Parameters:
  ///   - named: a name of ``known``, `pico`, or the path of a file of problems.
  ///   - folder: a folder with files of known benchmarks (`FOLDER/NAME/test.jsonl` or `FOLDER/NAME.jsonl`). It
  ///     goes before the hub's cache.
  ///   - model: the model's directory, for its own held-out problems.
  ///   - style: how problems are asked; nil for the benchmark's own way.
  ///   - keepsColumns: whether problems keep all members of their records, for a command that judges.
  /// - Throws: `EvaluationError` when it is not found; `ProblemError` naming the record that can't be read.
  public init(
    _ named: String, folder: String?, model: String, style: PromptStyle?, keepsColumns: Bool = false
  ) throws {
    let location = try BenchmarkLocator(folder: folder, model: model).locate(named)
    name = location.name
    path = location.path
    self.style = style ?? location.style
    problems = try ProblemFile(location.path, for: .evaluation, keepsColumns: keepsColumns).problems
  }

  /// The repositories of data on the hub that hold a benchmark, the best first. Nil for one that is on this machine,
  /// and for what is no known benchmark.
  public static func repositories(toFetch named: String, folder: String?) -> [String]? {
    guard let known = known.first(where: { $0.name == named }),
      !BenchmarkLocator(folder: folder, model: "").isHere(known)
    else { return nil }
    return known.hub
  }

  /// The file of a repository that holds the problems to ask.
  public static func best(of paths: [String]) -> String? { BenchmarkLocator.ranked(paths).first }

  /// The benchmarks known by name.
  public static let known: [Known] = [
    Known("aime24", folders: ["aime24", "aime_2024"], hub: ["HuggingFaceH4/aime_2024", "math-ai/aime24"]),
    Known("aime25", folders: ["aime25", "aime_2025"], hub: ["yentinglin/aime_2025", "math-ai/aime25"]),
    Known("amc23", folders: ["amc23"], hub: ["knoveleng/AMC-23", "math-ai/amc23"]),
    Known("math500", folders: ["math500", "math_500"], hub: ["HuggingFaceH4/MATH-500"]),
    Known(
      "minerva", folders: ["minerva", "minerva_math"], hub: ["knoveleng/Minerva-Math", "math-ai/minervamath"]),
    Known("olympiadbench", folders: ["olympiadbench"], hub: ["knoveleng/OlympiadBench"]),
    Known("gsm8k", folders: ["gsm8k"], hub: ["openai/gsm8k"]),
    Known("gpqa", folders: ["gpqa", "gpqa_diamond"], hub: ["Idavidrein/gpqa"], style: .choice),
  ]

  /// A benchmark known by name, and where its files may lie.
  public struct Known: Sendable {
    /// The name on the command line.
    public let name: String
    let folders: [String]
    let hub: [String]
    let style: PromptStyle

    init(_ name: String, folders: [String], hub: [String], style: PromptStyle = .math) {
      self.name = name
      self.folders = folders
      self.hub = hub
      self.style = style
    }
  }
}
