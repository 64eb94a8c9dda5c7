import AdapterFormat
import Foundation
import ModelFiles
import Problems
import TinaRuntime
import Tokenization

/// The problems of a training run.
struct ProblemSet: Sendable {
  let path: String
  let digest: String
  let problems: [Problem]

  /// - Throws: ``TrainerError`` naming the record that can't be read.
  init(path: String) throws(TrainerError) {
    self.path = path
    do throws(ProblemError) {
      let file = try ProblemFile(path, for: .training)
      (digest, problems) = (file.digest, file.problems)
    } catch {
      throw TrainerError(
        .data, place: error.location, found: error.found, expected: error.expected, advice: error.remedy)
    }
  }

  /// The problems at some places of a run.
  func problems(at places: Range<Int>, seed: UInt64) -> [Problem] {
    var epoch = -1
    var order: [Int] = []
    return places.map { place in
      if place / problems.count != epoch {
        epoch = place / problems.count
        order = self.order(epoch: epoch, seed: seed)
      }
      return problems[order[place % problems.count]]
    }
  }

  /// Each epoch goes through all problems in an order of its own, which depends on (seed, epoch) alone.
  func order(epoch: Int, seed: UInt64) -> [Int] {
    var order = Array(problems.indices)
    for i in stride(from: order.count - 1, to: 0, by: -1) {
      let block = Philox.block(
        counter: (UInt32(truncatingIfNeeded: i), UInt32(truncatingIfNeeded: epoch), 0x5368_7566, 0),
        key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
      let word = UInt64(block.0) << 32 | UInt64(block.1)
      order.swapAt(i, Int(word.multipliedFullWidth(by: UInt64(i + 1)).high))
    }
    return order
  }
}

/// Turns problems into requests, and completions into texts that can be judged.
struct PromptBuilder {
  private let assistant: Assistant
  private let prompts: PromptEncoder
  private let system: String?
  private let maxPromptLength: Int

  /// - Throws: `TokenizationError` or `ModelFilesError` for a tokenizer or chat template that is missing or unknown.
  init(_ recipe: Recipe, _ engine: Engine) throws {
    assistant = try Assistant(engine, template: recipe.promptTemplate == .reason ? .deepSeekR1Plain : nil)
    prompts = try assistant.prompts
    system = recipe.systemPrompt ?? TinaPrompts.system(dataset: recipe.datasetName)
    maxPromptLength = recipe.maxPromptLength
  }

  /// A request for completions of a problem.
  func request(_ problem: Problem, _ settings: AnswerSettings, promptIndex: Int) -> GenerationRequest {
    var request = assistant.request(for: prompt(problem), promptIndex: promptIndex)
    request.settings = settings
    // Whole texts are decoded here, not token by token on the engine's thread.
    request.tokenizer = nil
    return request
  }

  /// The prompt's ids, its beginning cut off if it is too long, as TRL does.
  private func prompt(_ problem: Problem) -> [Int] {
    let messages =
      ((problem.system ?? system).flatMap { $0.isEmpty ? nil : [ChatMessage(role: .system, content: $0)] }
        ?? [])
      + [ChatMessage(role: .user, content: problem.text)]
    return Array(prompts.encode(messages).suffix(maxPromptLength))
  }

  /// What rewards read: the completion's text after the `<think>` that the prompt may end in.
  func text(_ completion: [Int]) -> String {
    (prompts.template.opensThinking ? "<think>\n" : "") + assistant.text(of: completion)
  }
}

/// The system prompts that Tina trains with.
enum TinaPrompts {
  static func system(dataset: String) -> String? {
    if dataset.isEmpty { return nil }
    return dataset.contains("open-rs") || dataset.contains("open_rs2") || dataset.contains("open_rs3")
      ? openRS : openR1
  }

  static let openR1 = """

    You are a helpful AI Assistant that provides well-reasoned and detailed responses.
    You first think about the reasoning process as an internal monologue and then provide the user with the answer.
    Respond in the following format: <think>
    ...
    </think>
    <answer>
    ...
    </answer>

    """

  static let openRS = """

    A conversation between User and Assistant. The user asks a question, and the Assistant solves it.
    The assistant first thinks about the reasoning process in the mind and then provides the user with the answer, \
    and put your final answer within \\boxed{{}} .
    The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively,\u{20}
    i.e., <think> reasoning process here </think> <answer> answer here </answer>.
    Note that respond by English, NOT use other languages.

    """
}
