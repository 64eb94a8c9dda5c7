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

extension ChatMessage {
  /// What is said, and the added tokens that whoever says it may use.
  /// Training's system prompts show the marks of thinking.
  var part: TextPart { part(content) }

  /// A text that stands for what is said.
  func part(_ text: String) -> TextPart { TextPart(text, role == .user ? .none : .thinking) }
}

/// What a request may choose of a template: the arguments that transformers passes to it.
public struct ChatOptions: Sendable, Equatable {
  /// Whether the model thinks before it answers (`enable_thinking`); nil leaves it to the template.
  public var thinking: Bool?
  /// The day that the template names (`date_string`); nil for a day that never changes, so that prompts do not either.
  public var date: String?

  /// The template's own choices unless told otherwise.
  public init(thinking: Bool? = nil, date: String? = nil) {
    self.thinking = thinking
    self.date = date
  }
}

extension String {
  /// Without white space at its ends, as Python strips it.
  var stripped: String { strippedAtStart.strippedAtEnd }

  var strippedAtStart: String { String(unicodeScalars.drop(while: \.isPythonSpace)) }

  var strippedAtEnd: String {
    var rest = unicodeScalars[...]
    while let last = rest.last, last.isPythonSpace { rest.removeLast() }
    return String(rest)
  }

  /// Without newlines at the ends that are named.
  func withoutNewlines(atStart: Bool = false, atEnd: Bool = false) -> String {
    var rest = unicodeScalars[...]
    while atStart, rest.first == "\n" { rest.removeFirst() }
    while atEnd, rest.last == "\n" { rest.removeLast() }
    return String(rest)
  }
}

extension Unicode.Scalar {
  /// Python counts the four separators of ASCII too.
  fileprivate var isPythonSpace: Bool { properties.isWhitespace || (0x1C...0x1F).contains(value) }
}
