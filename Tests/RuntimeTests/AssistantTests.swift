import Foundation
import TestSupport
import Testing
// One import: the tokenizer, messages and the adapter below come along with it.
import TinaRuntime

/// What a program writes, on the model that ships with the project.
@Suite(.enabled(if: FileManager.default.fileExists(atPath: pico + "/adapter")))
struct AssistantTests {
  let question = "What is 12 + 3 * 4?"

  @Test func aPromptGetsAnAnswerThatEnds() async throws {
    let assistant = try Assistant(model: pico, adapter: pico + "/adapter")
    let answer = try await assistant.respond(to: question)
    #expect(answer.contains("24"))
    #expect(!answer.contains("think>"))
    #expect(try await assistant.respond(to: [ChatMessage(role: .user, content: question)]) == answer)
    #expect(assistant.notes.contains { $0.contains("base not identified") })
  }

  @Test func piecesTellThinkingFromAnswer() async throws {
    let assistant = try Assistant(model: pico, adapter: pico + "/adapter")
    var (thinking, answer) = ("", "")
    for try await piece in assistant.stream(question, seed: 3) {
      switch piece {
      case .thinking(let text):
        #expect(answer.isEmpty, "thinking comes first")
        thinking += text
      case .answer(let text): answer += text
      }
    }
    let whole = try #require(try await assistant.samples(of: question, count: 1, seed: 3).first)
    #expect(!thinking.isEmpty && whole.thinking == thinking && whole.text == answer)
    #expect(try await assistant.respond(to: question, seed: 3) == answer)
  }

  @Test func samplesShareTheirPrompt() async throws {
    var assistant = try Assistant(model: pico, adapter: pico + "/adapter")
    assistant.settings.sampling = SamplingParameters(temperature: 1.2)
    let answers = try await assistant.samples(of: question, count: 16, seed: 7)
    #expect(answers.count == 16 && Set(answers.map(\.completion.ids)).count > 1)
    #expect(answers.allSatisfy { $0.completion.reason == .stop && $0.completion.text?.isEmpty == false })
    let prompt = try assistant.encode(question)
    #expect(assistant.engine.statistics.promptTokensComputed <= prompt.count)
    #expect(try await assistant.samples(of: question, count: 16, seed: 7) == answers)
  }

  /// A request that gives only a prompt ends at the model's own end token.
  @Test func endTokensComeFromTheModel() async throws {
    let assistant = try Assistant(model: pico)
    let prompt = try assistant.encode(question)
    let greedy = AnswerSettings(sampling: .greedy)
    let bare = try await assistant.engine.generate(GenerationRequest(prompt: prompt, greedy)).collect()
    var request = assistant.request(for: prompt)
    request.settings = greedy
    let whole = try await assistant.engine.generate(request).collect()
    #expect(bare.reason == .stop && bare.ids == whole.ids)
    #expect(bare.text == nil, "without a tokenizer there is no text, rather than an empty one")
    #expect(whole.text == assistant.text(of: bare.ids))
  }

  @Test func anAnswerThatNeverCameIsAnError() async throws {
    var assistant = try Assistant(model: pico, adapter: pico + "/adapter")
    assistant.settings.maxTokens = 2
    let (limited, question) = (assistant, question)
    await #expect(throws: RuntimeError.noAnswer(tokens: 2)) { try await limited.respond(to: question) }
    let answer = try #require(try await limited.samples(of: question, count: 1).first)
    #expect(answer.text.isEmpty && answer.completion.reason == .length)
    for try await piece in limited.stream(question) { #expect(piece == .thinking(piece.text)) }
  }

  @Test func whatIsWrongIsThrownWhereItIsAsked() async throws {
    let assistant = try Assistant(model: pico)
    await #expect(throws: RuntimeError.emptyPrompt) { try await assistant.respond(to: "") }
    await #expect(throws: RuntimeError.emptyPrompt) { for try await _ in assistant.stream([]) {} }
    #expect(throws: (any Error).self) { try Assistant(model: fixture("tiny-f32")) }
    #expect(throws: AdapterError.self) { try Assistant(model: pico, adapter: "no/such") }
  }

  @Test func anotherTemplateMayBeUsed() throws {
    let engine = try Engine(model: Model(path: pico))
    let own = try Assistant(engine)
    let plain = try Assistant(engine, template: .deepSeekR1Plain)
    #expect(try own.prompts.template.opensThinking && !plain.prompts.template.opensThinking)
    #expect(try own.encode("x") != plain.encode("x"))
  }
}
