import Foundation
import ModelFiles
import Support
import TerminalChat
import TinaRuntime
import Tokenization

/// A conversation on a terminal.
struct Chat {
  var turn: Turn
  let adapter: AdapterOptions
  let editor: LineEditor
  /// The system message; nil for none.
  var system: String?
  /// Everything said since, in turns.
  var messages: [ChatMessage] = []
  /// How many answers were drawn with the seed in force: each draws others.
  var index = 0
  /// What the command line asked for.
  let initial: AnswerSettings
  let initialThinking: Bool?
  /// The files that this conversation was written to or read from.
  var ownFiles: Set<String> = []

  init(turn: Turn, adapter: AdapterOptions) {
    self.turn = turn
    self.adapter = adapter
    system = turn.system
    initial = turn.assistant.settings
    initialThinking = turn.assistant.chatOptions.thinking
    // What is typed shows on standard error when answers go to a file.
    let output = Terminal.outputIsTerminal ? STDOUT_FILENO : STDERR_FILENO
    let isPlain = Terminal.isDumb || !(Terminal.outputIsTerminal || Terminal.errorIsTerminal)
    editor = LineEditor(
      history: HistoryFile(), output: output, isBold: Terminal.usesColour, isPlain: isPlain)
    if !editor.hasEditing, !isPlain {
      Terminal.note("libedit was not found: keys such as arrows do nothing. Install the package libedit2.")
    }
  }

  mutating func run() async throws {
    defer { QuietTerminal.end() }
    Terminal.note(
      "\(turn.assistant.model.directory.path)\(adapterText.map { " with \($0)" } ?? ""). Ctrl-C stops an answer, "
        + "/help lists commands, Ctrl-D or /exit ends.", .dimmed)
    let interrupts = InterruptHandler(idle: editor.interrupt)
    while true {
      switch editor.next() {
      case .end:
        try Terminal.write("\n")
        return
      case .interrupted: Terminal.note("")
      case .cut:
        Terminal.note(
          "The line is longer than this terminal passes on, and its end is lost: nothing was sent. Install the"
            + " package libedit2, or pipe the text in.")
      case .message(let line):
        editor.remember(line.trimmingCharacters(in: .newlines))
        // A terminal that is gone shows here.
        if try await !take(line, interrupts) { return }
      }
    }
  }

  /// Does what a line says. False at the end of the conversation.
  private mutating func take(_ line: String, _ interrupts: InterruptHandler) async throws -> Bool {
    do {
      if let command = try SlashCommand(line) {
        if command == .exit { return false }
        let before = messages
        do {
          if try perform(command) { try await answer(interrupts) }
        } catch {
          messages = before
          throw error
        }
        return true
      }
      let text = TripleQuotes.content(of: line)
      if text.isEmpty { return true }
      try turn.check(text)
      messages.append(ChatMessage(role: .user, content: text))
      do {
        try await answer(interrupts)
      } catch let error as RuntimeError {
        // The conversation has outgrown the context, for one: it can go on without this message.
        messages.removeLast()
        Terminal.note("\(error) (/new starts over.)")
      }
    } catch let error as OutputFailure {
      throw error
    } catch {
      Terminal.note(errorText(error))
    }
    return true
  }

  /// Answers the last message.
  private mutating func answer(_ interrupts: InterruptHandler) async throws {
    let opening = system.map { [ChatMessage(role: .system, content: $0)] } ?? []
    let prompt = try turn.assistant.encode(opening + messages)
    editor.beginAnswer()
    var wasStopped = true
    defer { editor.endAnswer(forgets: wasStopped) }
    let answer = try await turn.show(prompt, index: index, interrupts)
    wasStopped = answer.reason == .cancelled
    messages.append(ChatMessage(role: .assistant, content: answer.text))
    index += 1
  }

  var adapterText: String? {
    turn.assistant.settings.adapter.map {
      $0.adapter.path + ($0.scale == 1 ? "" : "@\($0.scale)")
    }
  }
}
