import Foundation
import ModelFiles
import Support

/// One turn of a conversation.
public struct ChatMessage: Sendable, Equatable {
  /// Who speaks.
  public enum Role: String, Sendable {
    /// Instructions for the whole conversation.
    case system
    /// The person.
    case user
    /// The model.
    case assistant
  }

  /// Who speaks.
  public let role: Role
  /// What is said.
  public let content: String

  /// A turn.
  public init(role: Role, content: String) {
    self.role = role
    self.content = content
  }
}

/// The known chat templates, written in Swift: no template language runs.
///
/// Marks that its relatives lack identify a model's template. A template without such marks, or with marks of two
/// models, is refused rather than guessed.
public enum ChatTemplate: Sendable, Equatable {
  /// DeepSeek-R1's first template: the answer starts right after `<｜Assistant｜>`. Tina trains with it.
  case deepSeekR1Plain
  /// DeepSeek-R1's second template: the prompt ends in `<think>\n`, and the thinking of earlier answers is
  /// left out.
  case deepSeekR1Think
  /// Qwen's ChatML, with the system text of conversations that have none; nil writes none.
  case chatML(defaultSystem: String?)

  /// A short name, for results.
  public var name: String {
    switch self {
    case .deepSeekR1Plain: "deepseek-r1"
    case .deepSeekR1Think: "deepseek-r1-think"
    case .chatML: "chatml"
    }
  }

  /// Recognises the template in `chat_template.jinja`, `tokenizer_config.json` or a GGUF file.
  ///
  /// - Throws: `TokenizationError` for a missing or unknown template.
  public init(directory: String) throws(TokenizationError) {
    let jinja = directory + "/chat_template.jinja"
    let config = directory + "/tokenizer_config.json"
    let source: String
    let file: String
    do throws(ModelFilesError) {
      if let gguf = try? ggufFile(directory) {
        source = gguf["tokenizer.chat_template"]?.text ?? ""
        file = directory
      } else if FileManager.default.fileExists(atPath: jinja) {
        let bytes = try MappedFile(path: jinja)
        source = String(decoding: bytes.copy(0..<bytes.byteCount), as: UTF8.self)
        file = jinja
      } else {
        source = Self.template(in: try JSON.parse(path: config).object) ?? ""
        file = config
      }
    } catch { throw .file(error) }
    guard !source.isEmpty else { throw .unknownTemplate(file: file, found: "none") }
    guard let template = Self(recognising: source) else {
      throw .unknownTemplate(file: file, found: quoted(String(source.prefix(80))))
    }
    self = template
  }

  /// The template in a `tokenizer_config.json`: a string, or the one named "default" in a list.
  static func template(in config: JSONObject?) -> String? {
    let value = config?["chat_template"]
    if let text = value?.string { return text }
    return value?.array?.first { $0.object?["name"]?.word == "default" }?.object?["template"]?.string
  }

  /// Recognises a template's Jinja source; nil if it is not a known one.
  init?(recognising source: String) {
    func has(_ mark: String) -> Bool { source.firstRange(ofBytes: mark) != nil }
    let isDeepSeek = has("<｜User｜>") && has("<｜Assistant｜>") && has("<｜end▁of▁sentence｜>")
    let isChatML = has("<|im_start|>") && has("<|im_end|>")
    if isDeepSeek, !isChatML {
      // Later DeepSeek models switch thinking on and off, close it in the prompt, or put text between turns.
      if has("<｜Assistant｜></think>") || has("thinking") || has("<｜User｜>\\n") { return nil }
      let opens = has("'<｜Assistant｜><think>\\n'")
      let strips = has("split('</think>')[-1]")
      switch (opens, strips) {
      case (true, true): self = .deepSeekR1Think
      case (false, false) where has("'<｜Assistant｜>'}}"): self = .deepSeekR1Plain
      default: return nil
      }
    } else if isChatML, !isDeepSeek {
      guard has("<|im_start|>assistant\\n'"), !has("<think>"), !has("enable_thinking"), !has("reasoning")
      else {
        return nil
      }
      self = .chatML(defaultSystem: Self.defaultSystem(source))
    } else {
      return nil
    }
  }

  /// The literal text in `<|im_start|>system\n…<|im_end|>` of the template.
  private static func defaultSystem(_ source: String) -> String? {
    var rest = source[...]
    while let start = rest.firstRange(ofBytes: "<|im_start|>system\\n") {
      rest = rest[start.upperBound...]
      if let end = rest.firstRange(ofBytes: "<|im_end|>") {
        let text = rest[..<end.lowerBound]
        if !text.isEmpty, !text.utf8.contains(UInt8(ascii: "'")), !text.utf8.contains(UInt8(ascii: "{")) {
          return String(text)
        }
      }
    }
    // Qwen2.5 has the text as a separate string, in the branch for tools.
    guard let start = source.firstRange(ofBytes: "{{- 'You are ") else { return nil }
    let text = source[start.upperBound...].utf8.prefix { $0 != UInt8(ascii: "'") }
    return "You are " + String(Substring(text))
  }

  /// Whether the prompt opens the thinking, so that the model's answer begins inside it.
  public var opensThinking: Bool { self == .deepSeekR1Think }

  /// The text of a conversation, as the model expects it.
  ///
  /// - Parameters:
  ///   - messages: the conversation, oldest first.
  ///   - bosToken: text of the token that begins every text; DeepSeek's templates write it.
  ///   - addGenerationPrompt: whether the model is to answer next.
  public func render(_ messages: [ChatMessage], bosToken: String, addGenerationPrompt: Bool = true) -> String
  {
    parts(messages, bosToken: bosToken, addGenerationPrompt: addGenerationPrompt).map(\.text).joined()
  }

  /// The text in parts: the template's own, which holds the marks of turns, and what the messages say, where a mark is
  /// text like any other. So no message can begin another one's turn.
  ///
  /// The parameters are those of ``render(_:bosToken:addGenerationPrompt:)``. What the model or the system says
  /// may hold the marks of thinking.
  public func parts(
    _ messages: [ChatMessage], bosToken: String, addGenerationPrompt: Bool = true
  ) -> [TextPart] {
    switch self {
    case .deepSeekR1Plain, .deepSeekR1Think: deepSeek(messages, bosToken, addGenerationPrompt)
    case .chatML(let system): chatML(messages, system, addGenerationPrompt)
    }
  }

  private func deepSeek(_ messages: [ChatMessage], _ bos: String, _ generation: Bool) -> [TextPart] {
    // The last system message counts, wherever it stands.
    var parts = [TextPart(bos, .all)]
    if let system = messages.last(where: { $0.role == .system }) { parts.append(system.part) }
    for message in messages {
      switch message.role {
      case .system: continue
      case .user: parts += [TextPart("<｜User｜>", .all), message.part]
      case .assistant:
        var content = message.part
        if opensThinking, let end = content.text.lastRange(ofBytes: "</think>") {
          content.text = String(content.text[end.upperBound...])
        }
        parts += [TextPart("<｜Assistant｜>", .all), content, TextPart("<｜end▁of▁sentence｜>", .all)]
      }
    }
    if generation {
      parts.append(TextPart(opensThinking ? "<｜Assistant｜><think>\n" : "<｜Assistant｜>", .all))
    }
    return parts
  }

  private func chatML(_ messages: [ChatMessage], _ system: String?, _ generation: Bool) -> [TextPart] {
    var parts: [TextPart] = []
    if messages.first?.role != .system, let system {
      parts.append(TextPart("<|im_start|>system\n\(system)<|im_end|>\n", .all))
    }
    for message in messages {
      parts += [
        TextPart("<|im_start|>\(message.role.rawValue)\n", .all), message.part,
        TextPart("<|im_end|>\n", .all),
      ]
    }
    if generation { parts.append(TextPart("<|im_start|>assistant\n", .all)) }
    return parts
  }
}

extension ChatMessage {
  /// What is said, and the added tokens that whoever says it may use.
  /// Training's system prompts show the marks of thinking.
  fileprivate var part: TextPart { TextPart(content, role == .user ? .none : .thinking) }
}
