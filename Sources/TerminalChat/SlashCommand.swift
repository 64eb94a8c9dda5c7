import Support

/// What a line that begins with a slash asks for.
package enum SlashCommand: Equatable, Sendable {
  case help, new, exit, base, regenerate
  /// Tells the system message; or sets it, an empty one for none.
  case system(String?)
  /// Tells the settings, or changes one; nil as the value puts back what it was at first.
  case settings
  case set(Setting, String?)
  /// Tells the adapter, or attaches another.
  case adapter(String?)
  /// Tells the seed, or sets it.
  case seed(UInt64?)
  case save(String), load(String)

  /// What `/set` changes.
  package enum Setting: String, CaseIterable, Sendable {
    case temperature, topK = "top-k", topP = "top-p", minP = "min-p"
    case repetitionPenalty = "repetition-penalty", maxTokens = "max-tokens", thinking

    /// What its values are.
    var values: String { self == .thinking ? "on or off" : "a number" }
  }

  /// A line that is no command.
  package struct Mistake: Error, Equatable, CustomStringConvertible {
    package let description: String
  }

  /// Every command and what it does.
  package static let all: [(command: String, meaning: String)] = [
    ("/help", "shows this"),
    ("/new", "begins a new conversation"),
    ("/regen", "answers the last message again"),
    ("/system [TEXT]", "tells or sets the system message; /system none removes it"),
    ("/set [NAME VALUE]", "tells the settings or changes one, as /set temperature 0.6"),
    ("/seed [NUMBER]", "tells or sets the seed of the random choices"),
    ("/adapter [NAME@0.5]", "tells the adapter or attaches another, here at half its scale"),
    ("/base", "answers without an adapter"),
    ("/save FILE", "writes the conversation to a file"),
    ("/load FILE", "goes on with a conversation from a file"),
    ("/exit", "ends; so does Ctrl-D"),
  ]

  /// Reads a line. Nil for one that does not begin with a slash: it is a message.
  package init?(_ line: String) throws(Mistake) {
    guard line.hasPrefix("/") else { return nil }
    let parts = line.split(maxSplits: 1, whereSeparator: \.isWhitespace)
    let word = String(parts[0])
    let rest = parts.count > 1 ? Self.trimmed(parts[1]) : ""
    switch word {
    case "/help": self = try Self.alone(.help, word, rest)
    case "/new": self = try Self.alone(.new, word, rest)
    case "/exit": self = try Self.alone(.exit, word, rest)
    case "/base": self = try Self.alone(.base, word, rest)
    case "/regen": self = try Self.alone(.regenerate, word, rest)
    case "/system": self = .system(rest.isEmpty ? nil : rest == "none" ? "" : rest)
    case "/set": self = try Self.setting(rest)
    case "/adapter": self = .adapter(rest.isEmpty ? nil : rest)
    case "/seed":
      guard let seed = rest.isEmpty ? .some(nil) : UInt64(rest).map(Optional.some) else {
        throw Mistake(description: "/seed: found \"\(rest)\", expected a whole number from 0 up.")
      }
      self = .seed(seed)
    case "/save": self = .save(try Self.file(word, rest))
    case "/load": self = .load(try Self.file(word, rest))
    default:
      let names = Self.all.map { String($0.command.prefix { $0 != " " }) }
      throw Mistake(
        description:
          "found \"\(word.prefix(40))\", expected one of \(names.joined(separator: ", ")). A message that"
          + " begins with a slash has a blank before it.")
    }
  }

  private static func alone(_ command: SlashCommand, _ word: String, _ rest: String) throws(Mistake) -> Self {
    guard rest.isEmpty else {
      throw Mistake(description: "\(word): found \"\(rest.prefix(40))\" behind it, expected nothing.")
    }
    return command
  }

  private static func file(_ word: String, _ rest: String) throws(Mistake) -> String {
    if rest.isEmpty { throw Mistake(description: "\(word): found nothing, expected a file: \(word) FILE.") }
    return rest
  }

  private static func setting(_ rest: String) throws(Mistake) -> Self {
    let words = rest.split(whereSeparator: \.isWhitespace).map(String.init)
    guard let name = words.first else { return .settings }
    let known = Setting(rawValue: name.lowercased().replacing("_", with: "-"))
    guard let setting = known, words.count == 2 else {
      let names = Setting.allCases.map(\.rawValue).joined(separator: ", ")
      throw Mistake(
        description: known == nil
          ? "/set: found \"\(name.prefix(40))\", expected one of \(names). The seed has a command of its own, /seed."
          : "/set \(name): found \(words.count == 1 ? "no value" : "\(words.count - 1) values"), expected one: "
            + "\(known?.values ?? ""), or none for the model's own.")
    }
    return .set(setting, words[1] == "none" ? nil : words[1])
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text.drop { $0.isWhitespace }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
