import Problems
import TinaRuntime
import Tokenization

/// Turns problems into requests, and completions into texts that can be judged.
struct PromptBuilder {
  private let assistant: Assistant
  /// How conversations become tokens.
  let prompts: PromptEncoder
  private let system: String?
  private let maxPromptLength: Int

  /// - Throws: `TokenizationError` or `ModelFilesError` for a tokenizer or chat template that is missing or unknown.
  init(_ recipe: Recipe, _ engine: Engine) throws {
    var assistant = try Assistant(
      engine, template: recipe.promptTemplate == .reason ? .deepSeekR1Plain : nil)
    assistant.chatOptions.thinking = recipe.thinking
    prompts = try assistant.prompts
    try prompts.template.check(prompts.options)
    self.assistant = assistant
    system = recipe.systemPrompt ?? TinaPrompts.system(dataset: recipe.datasetName)
    maxPromptLength = recipe.maxPromptLength
  }

  /// What reports name: the template, and the system message before problems that bring none.
  var about: (template: String, system: String?) { (prompts.name, system) }

  /// A request for completions of a problem.
  func request(_ problem: Problem, _ settings: AnswerSettings, promptIndex: Int) throws -> GenerationRequest {
    var request = assistant.request(for: try prompt(problem), promptIndex: promptIndex)
    request.settings = settings
    // Whole texts are decoded here, not token by token on the engine's thread.
    request.tokenizer = nil
    return request
  }

  /// The prompt's ids, its beginning cut off if it is too long, as TRL does.
  private func prompt(_ problem: Problem) throws -> [Int] {
    let messages =
      ((problem.system ?? system).flatMap { $0.isEmpty ? nil : [ChatMessage(role: .system, content: $0)] }
        ?? [])
      + problem.earlier.map { ChatMessage(role: $0.isUser ? .user : .assistant, content: $0.text) }
      + [ChatMessage(role: .user, content: problem.text)]
    return Array(try prompts.encode(messages).suffix(maxPromptLength))
  }

  /// What rewards read: the completion's text after the `<think>` that the prompt may end in.
  func text(_ completion: [Int]) -> String {
    (prompts.template.opensThinking ? "<think>\n" : "") + assistant.text(of: completion)
  }
}
