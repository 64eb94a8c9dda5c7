import ArgumentParser
import Support

/// Understands what was typed where the parser alone would mislead: near misses of commands and options, and negative
/// numbers.
enum Usage {
  /// The arguments as the parser reads them rightly.
  ///
  /// - Throws: `ValidationError` for a command that there is not.
  static func repaired(_ arguments: [String]) throws -> [String] {
    guard let first = arguments.first, !first.hasPrefix("-") else { return arguments }
    if first == "help" {
      if arguments.count > 1, !arguments[1].hasPrefix("-"), command(arguments[1]) == nil,
        arguments[1] != "help"
      {
        throw unknown(arguments[1])
      }
      return arguments
    }
    guard let command = command(first) else { throw unknown(first) }
    return joined(arguments, command)
  }

  /// A command by its name.
  private static func command(_ name: String) -> (any ParsableCommand.Type)? {
    Tina.configuration.subcommands.first { Self.name($0) == name }
  }

  static func name(_ command: any ParsableCommand.Type) -> String {
    command.configuration.commandName ?? "\(command)".lowercased()
  }

  /// Names of all commands that help shows.
  static var commandNames: [String] {
    Tina.configuration.subcommands.filter { $0.configuration.shouldDisplay }.map { name($0) }
  }

  private static func unknown(_ word: String) -> ValidationError {
    let told = visible(String(word.prefix(100)))
    let advice = OtherNames.command(word, among: commandNames)
    return ValidationError(
      "found \"\(told)\", expected a command: \(commandNames.joined(separator: ", ")). "
        + (advice ?? "tina --help tells what each does."))
  }

  /// Puts a value that begins with a minus sign behind its option: the parser would take it for an option.
  private static func joined(_ arguments: [String], _ command: any ParsableCommand.Type) -> [String] {
    // Writing a command's help takes longer than many commands.
    lazy var options = OptionNames(command)
    var result: [String] = []
    var i = 0
    while i < arguments.count {
      let (argument, next) = (arguments[i], i + 1 < arguments.count ? arguments[i + 1] : "")
      if argument == "--" { return result + arguments[i...] }
      let isValue = next.hasPrefix("-") && (Double(next) != nil || next.contains { $0.isWhitespace })
      if isValue, options.withValue.contains(argument) {
        result.append(argument + "=" + next)
        i += 2
      } else {
        result.append(argument)
        i += 1
      }
    }
    return result
  }

  /// The message for wrong usage. What the parser suggests for an unknown option is often far from what was meant.
  static func message(for error: any Error) -> String {
    let text = Tina.fullMessage(for: error)
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let opening = "Error: Unknown option '"
    guard let first = lines.first, first.hasPrefix(opening),
      let end = first.dropFirst(opening.count).firstIndex(of: "'")
    else { return text }
    let option = String(first.dropFirst(opening.count)[..<end].prefix { $0 != "=" })
    let words = CommandLine.arguments.dropFirst()
    guard let command = words.first.flatMap({ command($0) }) else { return text }
    let advice = OtherNames.option(option, among: OptionNames(command).all)
    lines[0] = first[...end] + "." + (advice.map { " Did you mean '\($0)'?" } ?? "")
    return lines.joined(separator: "\n")
  }
}

/// The options of a command, as its help lists them.
struct OptionNames {
  private(set) var all: [String] = []
  /// Those that take a value.
  private(set) var withValue: Set<String> = []

  init(_ command: any ParsableCommand.Type) {
    let help = command.helpMessage(includeHidden: true, columns: 1000)
    for line in help.split(separator: "\n") where line.hasPrefix("  -") {
      let words = line.split(separator: " ")
      for (i, word) in words.enumerated() {
        // `-h, --help`, `--base/--no-base`, `--seed <seed>`; the explanation follows.
        guard word.hasPrefix("-") else { break }
        for name in word.split(separator: "/").map({ $0.hasSuffix(",") ? $0.dropLast() : $0 }) {
          all.append(String(name))
          if i + 1 < words.count, words[i + 1].hasPrefix("<") { withValue.insert(String(name)) }
        }
      }
    }
  }
}
