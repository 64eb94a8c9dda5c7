import AdapterFormat
import Foundation
import ModelFiles
import TinaRuntime
import Tokenization

/// A conversation on a terminal.
struct Chat {
  let turn: Turn

  func run() async throws {
    let adapter = turn.assistant.settings.adapter.map { " with \($0.adapter.path)" } ?? ""
    Terminal.note(
      "\(turn.assistant.model.directory.path)\(adapter). "
        + "Ctrl-C stops an answer, /new starts over, Ctrl-D or /exit ends.", .dimmed)
    let interrupts = InterruptHandler {
      // A terminal that is gone shows at the next answer.
      try? Terminal.write("\n")
      try? Self.showMark()
    }
    let opening = turn.system.map { [ChatMessage(role: .system, content: $0)] } ?? []
    var messages = opening
    var index = 0
    while let line = try ask() {
      switch line {
      case "": continue
      case "/exit": return
      case "/new":
        messages = opening
        continue
      default: break
      }
      messages.append(ChatMessage(role: .user, content: line))
      do {
        let answer = try await turn.show(turn.assistant.encode(messages), index: index, interrupts)
        messages.append(ChatMessage(role: .assistant, content: answer.text))
      } catch let error as RuntimeError {
        // The conversation has outgrown the context, for one: it can go on without this message.
        Terminal.note("\(error) (/new starts over.)")
        messages.removeLast()
      }
      index += 1
    }
    try Terminal.write("\n")
  }

  private static func showMark() throws { try Terminal.write("> ", .bold) }

  /// The next line, trimmed; nil at the end.
  private func ask() throws -> String? {
    try Self.showMark()
    return readLine()?.trimmingCharacters(in: .whitespaces)
  }
}
