import Foundation
import ModelFiles
import TerminalChat
import TinaRuntime
import Tokenization

extension Chat {
  /// Does what a command says. True if the last message is to be answered.
  mutating func perform(_ command: SlashCommand) throws -> Bool {
    switch command {
    case .help: showHelp()
    case .exit: break
    case .new:
      messages = []
      Terminal.note("a new conversation", .dimmed)
    case .regenerate: return try forgetAnswer()
    case .system(let text):
      if let text { system = text.isEmpty ? nil : text }
      Terminal.note("system message: " + (system ?? "none"), .dimmed)
    case .settings: showSettings()
    case .set(let setting, let value):
      try set(setting, value)
      showSettings()
    case .seed(let seed):
      if let seed {
        turn.assistant.settings.sampling.seed = seed
        index = 0
      }
      Terminal.note("seed \(turn.assistant.settings.sampling.seed)", .dimmed)
    case .adapter(let name):
      if let name { try attach(name) }
      Terminal.note("adapter: " + (adapterText ?? "none"), .dimmed)
    case .base:
      try refuseMerged("/base")
      turn.assistant.settings.adapter = nil
      Terminal.note("adapter: none", .dimmed)
    case .save(let file): try save(file)
    case .load(let file): try load(file)
    }
    return false
  }

  private func showHelp() {
    let width = SlashCommand.all.map(\.command.count).max() ?? 0
    for (command, meaning) in SlashCommand.all {
      Terminal.note(command.padding(toLength: width + 2, withPad: " ", startingAt: 0) + meaning)
    }
    Terminal.note(
      "Alt-Enter begins a line, and so does Enter between \"\"\" and \"\"\". Ctrl-R searches what was typed before."
    )
  }

  /// Leaves out the last answer. False if there is nothing to answer again.
  private mutating func forgetAnswer() throws -> Bool {
    if messages.last?.role == .assistant { messages.removeLast() }
    guard !messages.isEmpty else {
      throw CommandError("/regen: found no message, expected one to answer again.")
    }
    if turn.assistant.settings.sampling.temperature == 0 {
      Terminal.note(
        "The likeliest token is always taken, so the answer is the same: try /set temperature 0.6.")
    }
    return true
  }

  // MARK: Settings

  private mutating func set(_ setting: SlashCommand.Setting, _ value: String?) throws {
    var settings = turn.assistant.settings
    func number() throws -> Float? {
      guard let value else { return nil }
      guard let number = Float(value) else { throw wrong(setting, value, "a number") }
      return number
    }
    func count() throws -> Int? {
      guard let value else { return nil }
      guard let count = Int(value) else { throw wrong(setting, value, "a whole number") }
      return count
    }
    let before = initial.sampling
    switch setting {
    case .temperature: settings.sampling.temperature = try number() ?? before.temperature
    case .topK: settings.sampling.topK = try count() ?? before.topK
    case .topP: settings.sampling.topP = try number() ?? before.topP
    case .minP: settings.sampling.minP = try number() ?? before.minP
    case .repetitionPenalty: settings.sampling.repetitionPenalty = try number() ?? before.repetitionPenalty
    case .maxTokens: settings.maxTokens = try count() ?? initial.maxTokens
    case .thinking: return try setThinking(value)
    }
    do {
      try settings.validate()
    } catch {
      // With a pattern behind `catch`, Swift 6.3 crashes here.
      if case .invalidSetting(_, let found, let expected) = error { throw wrong(setting, found, expected) }
      throw error
    }
    turn.assistant.settings = settings
  }

  private mutating func setThinking(_ value: String?) throws {
    let choices = ["on": true, "off": false]
    var options = turn.assistant.chatOptions
    options.thinking = try value.map {
      guard let choice = choices[$0] else {
        throw wrong(.thinking, $0, "on, off, or none for the model's own")
      }
      return choice
    }
    if value == nil { options.thinking = initialThinking }
    try turn.assistant.prompts.template.check(options)
    turn.assistant.chatOptions = options
  }

  private func wrong(_ setting: SlashCommand.Setting, _ found: String, _ expected: String) -> CommandError {
    CommandError("/set \(setting.rawValue): found \(found), expected \(expected).")
  }

  private func showSettings() {
    let settings = turn.assistant.settings
    let sampling = settings.sampling
    Terminal.note(
      "temperature \(sampling.temperature) · top-k \(sampling.topK) · top-p \(sampling.topP) · min-p \(sampling.minP)"
        + " · repetition-penalty \(sampling.repetitionPenalty) · max-tokens "
        + (settings.maxTokens.map { "\($0)" } ?? "none") + thinkingText, .dimmed)
  }

  /// How thinking is switched, where the template has a switch.
  private var thinkingText: String {
    guard (try? turn.assistant.prompts.template.switchesThinking) == true else { return "" }
    return " · thinking "
      + (turn.assistant.chatOptions.thinking.map { $0 ? "on" : "off" } ?? "the model's own")
  }

  // MARK: Adapters

  private mutating func attach(_ name: String) throws {
    try refuseMerged("/adapter")
    guard let source = AdapterSource(argument: name) else {
      throw CommandError("/adapter: found \(name), expected an adapter, as /adapter NAME@0.5.")
    }
    turn.assistant.settings.adapter = try adapter.attaching.attach(source, to: turn.assistant.model)
  }

  private func refuseMerged(_ command: String) throws {
    if adapter.merging.merged != nil {
      throw CommandError(
        "\(command): --merged put an adapter into the weights, where it stays. Start tina run without --merged."
      )
    }
  }

  // MARK: Files

  private mutating func save(_ file: String) throws {
    let path = expandingTilde(file)
    if FileManager.default.fileExists(atPath: path), !ownFiles.contains(path) {
      throw CommandError("/save: \(file) is there already. Choose a name that is free, or remove the file.")
    }
    let opening = system.map { [ChatMessage(role: .system, content: $0)] } ?? []
    let turns = (opening + messages).map { message in
      JSONValue.record(["role": .string(message.role.rawValue), "content": .string(message.content)])
    }
    let value = JSONValue.record([
      "model": .string(turn.assistant.model.directory.path),
      "adapter": adapterText.map { .string($0) } ?? .null,
      "seed": .unsigned(turn.assistant.settings.sampling.seed), "messages": .array(turns),
    ])
    let writer = try FileWriter(path: path)
    try writer.write(Array((value.line + "\n").utf8))
    try writer.finish()
    ownFiles.insert(path)
    Terminal.note("\(Figures.count(turns.count, "message")) written to \(file)", .dimmed)
  }

  private mutating func load(_ file: String) throws {
    let path = expandingTilde(file)
    let value = try JSON.parse(path: path)
    guard let entries = value.object?["messages"]?.array else {
      throw CommandError(
        "\(file): found \(value.summary), expected {\"messages\": [{\"role\", \"content\"}]}, as /save writes it."
      )
    }
    var loaded = try entries.enumerated().map { i, entry in
      guard let role = entry.object?["role"]?.word.flatMap({ ChatMessage.Role(rawValue: $0) }),
        let content = entry.object?["content"]?.string
      else {
        throw CommandError(
          "\(file): \"messages[\(i)]\": found \(entry.summary), expected \"role\" (system, user or assistant) and"
            + " \"content\", a text.")
      }
      try turn.check(content)
      return ChatMessage(role: role, content: content)
    }
    system = loaded.first?.role == .system ? loaded.removeFirst().content : nil
    messages = loaded
    ownFiles.insert(path)
    let hint = loaded.last?.role == .user ? "; /regen answers the last one" : ""
    Terminal.note("\(Figures.count(entries.count, "message")) read from \(file)\(hint)", .dimmed)
  }
}
