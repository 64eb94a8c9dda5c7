import ArgumentParser
import TinaRuntime
import Tokenization

/// The switch for thinking that some chat templates have.
struct ThinkingOptions: ParsableArguments {
  @Flag(
    inversion: .prefixedNo,
    help:
      "Whether the model thinks before it answers, where its chat template has a switch; its own way unless given."
  )
  var think: Bool?

  /// Puts the choice in force.
  ///
  /// - Throws: `TokenizationError` for a template without a switch; as `Assistant.prompts`.
  func apply(to assistant: inout Assistant) throws {
    guard let think else { return }
    assistant.chatOptions.thinking = think
    try assistant.prompts.template.check(assistant.chatOptions)
  }
}
