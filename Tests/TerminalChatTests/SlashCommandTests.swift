import Testing

@testable import TerminalChat

@Suite struct SlashCommandTests {
  @Test func everyCommandIsRead() throws {
    let expected: [(String, SlashCommand)] = [
      ("/help", .help), ("/new", .new), ("/exit", .exit), ("/base", .base), ("/regen", .regenerate),
      ("/system", .system(nil)), ("/system Be  brief.", .system("Be  brief.")), ("/system none", .system("")),
      ("/set", .settings), ("/set temperature 0.6", .set(.temperature, "0.6")),
      ("/set top_p 0.9", .set(.topP, "0.9")),
      ("/set max-tokens none", .set(.maxTokens, nil)), ("/set thinking off", .set(.thinking, "off")),
      ("/adapter", .adapter(nil)),
      ("/adapter my folder/a.tina@0.5 ", .adapter("my folder/a.tina@0.5")), ("/seed", .seed(nil)),
      ("/seed 18446744073709551615", .seed(.max)), ("/save a b.json", .save("a b.json")),
      ("/load x", .load("x")),
    ]
    for (line, command) in expected { #expect(try SlashCommand(line) == command, "\(line)") }
  }

  @Test func whatDoesNotBeginWithASlashIsAMessage() throws {
    #expect(try SlashCommand("What is 1/2?") == nil)
    #expect(try SlashCommand(" /usr/bin is a folder") == nil)
  }

  @Test func anUnknownCommandListsAll() throws {
    let mistake = try #require(throws: SlashCommand.Mistake.self) { try SlashCommand("/quit now") }
    for (command, _) in SlashCommand.all {
      #expect(mistake.description.contains(String(command.prefix { $0 != " " })))
    }
    #expect(mistake.description.contains("\"/quit\""))
  }

  @Test(arguments: [
    ("/help me", "expected nothing"), ("/set warmth 1", "temperature, top-k"),
    ("/set temperature", "no value"), ("/set thinking", "on or off"),
    ("/set temperature 1 2", "2 values"), ("/seed -1", "whole number"), ("/save", "/save FILE"),
    ("/load ", "/load FILE"),
  ])
  func mistakesSayWhatIsExpected(_ line: String, _ words: String) throws {
    let mistake = try #require(throws: SlashCommand.Mistake.self) { try SlashCommand(line) }
    #expect(mistake.description.contains(words))
  }
}
