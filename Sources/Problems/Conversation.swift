import ModelFiles
import Support

/// A conversation that ends in a question, or in the question's answer.
struct Conversation {
  var system: String?
  /// What was said before the question.
  var earlier: [Problem.Turn] = []
  var question: String
  /// The assistant's reply behind the question: a worked solution, which the model must not see.
  var reply: String?

  /// A question alone.
  init(question: String) { self.question = question }

  /// Reads the messages under `key` of a record.
  init(_ messages: [JSONValue], _ key: String, _ record: ProblemRecord) throws(ProblemError) {
    var turns: [Problem.Turn] = []
    for (index, message) in messages.enumerated() {
      let place = "message \(index + 1) of \(quoted(key))"
      guard let object = message.object else {
        throw record.error("\(place) is no object but \(message.summary)", "an object with role and content")
      }
      let text = try Self.text(object["content"] ?? object["value"], place, record)
      let name = object["role"]?.string ?? object["from"]?.string
      let role = name.map { $0.utf8.count <= 16 ? $0 : "" } ?? "user"
      switch role {
      case "system", "developer":
        guard system == nil, turns.isEmpty else {
          throw record.error(
            "\(place) is a second system message, or a late one", "one, before the user speaks")
        }
        system = text
      case "user", "human": turns.append(Problem.Turn(isUser: true, text: text))
      case "assistant", "gpt", "model", "bot": turns.append(Problem.Turn(isUser: false, text: text))
      default:
        throw record.error(
          "\(place) is of the role \(quoted(name ?? ""))", "the roles system, user and assistant")
      }
    }
    if let last = turns.last, !last.isUser {
      reply = last.text
      turns.removeLast()
    }
    guard let last = turns.popLast(), last.isUser, !last.text.isEmpty else {
      throw record.error(
        "no problem in \(quoted(key))", "a text, or a conversation that the user ends or the answer")
    }
    question = last.text
    earlier = turns
    // Templates know no two turns of one side.
    let sides = (turns + [last]).map(\.isUser)
    guard zip(sides, sides.dropFirst()).allSatisfy({ $0 != $1 }) else {
      throw record.error(
        "several turns of one side in a row in \(quoted(key))", "user and assistant in turns")
    }
  }

  /// A message's text: a string, or the parts that chat interfaces write.
  static func text(
    _ content: JSONValue?, _ place: String, _ record: ProblemRecord
  ) throws(ProblemError) -> String {
    if let text = content?.string { return text }
    guard let parts = content?.array else {
      throw record.error("\(place) has no text", "content: a text, or parts of type text")
    }
    var texts: [String] = []
    for part in parts {
      guard
        let text = part.string
          ?? ((part.object?["type"]).map { $0.word ?? "" } ?? "text" == "text"
            ? part.object?["text"]?.string : nil)
      else {
        throw record.error(
          "a part of \(place) is \(part.object?["type"]?.text() ?? part.summary)", "parts of type text")
      }
      texts.append(text)
    }
    return texts.joined()
  }
}
