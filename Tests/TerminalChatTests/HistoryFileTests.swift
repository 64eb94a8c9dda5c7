import Foundation
import TestSupport
import Testing

@testable import TerminalChat

@Suite struct HistoryFileTests {
  private let folder = TemporaryFolder()

  @Test func messagesComeBack() throws {
    let path = folder.path("state/tina/history")
    let file = HistoryFile(path: path)
    #expect(file.load().isEmpty)
    let messages = ["one", "two\nlines \\n \\", "日本"]
    for message in messages { file.append(message) }
    #expect(HistoryFile(path: path).load() == messages)
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test func theNewestAreKept() throws {
    let file = HistoryFile(path: folder.path("history"))
    for i in 0..<2100 { file.append("message \(i)") }
    let kept = file.load()
    #expect(kept.count == HistoryFile.entryLimit && kept.last == "message 2099")
    let size = try Data(contentsOf: URL(fileURLWithPath: file.path)).count
    #expect(size < 20_000)
    #expect(file.load() == kept)
    let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test func aLinkIsNotFollowed() throws {
    let other = folder.write("other", "")
    let path = folder.path("history")
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: other)
    HistoryFile(path: path).append("secret")
    #expect(try String(contentsOfFile: other, encoding: .utf8).isEmpty)
  }

  @Test func itLiesWhereTheUserKeepsStates() {
    #expect(HistoryFile(environment: ["HOME": "/home/a"])?.path == "/home/a/.local/state/tina/history")
    #expect(HistoryFile(environment: ["HOME": "/h", "XDG_STATE_HOME": "/s"])?.path == "/s/tina/history")
    #expect(HistoryFile(environment: [:]) == nil)
  }
}
