import Foundation
import Testing

@testable import Support

/// Messages that can't be written stop nothing and hold up nothing.
@Suite struct MessageLogTests {
  /// A pipe that nobody reads, or that reports a full buffer instead of blocking.
  @Test(arguments: [false, true])
  func anUnreadPipeDropsAndCounts(_ isNonBlocking: Bool) {
    var ends: [Int32] = [0, 0]
    #expect(unsafe pipe(&ends) == 0)
    if isNonBlocking { _ = fcntl(ends[1], F_SETFL, O_NONBLOCK) }
    let log = MessageLog(descriptor: ends[1], byteLimit: 10_000)
    let line = String(repeating: "x", count: 999) + "\n"
    let began = ContinuousClock.now
    for _ in 0..<500 { log.write(line, .record) }
    #expect(ContinuousClock.now - began < .seconds(300))
    // A pipe holds 64 KiB, and ten lines wait.
    #expect(log.droppedCount >= 400)
    // A note waits a moment once, and then no more.
    for _ in 0..<20 { log.write("note\n") }
    #expect(ContinuousClock.now - began < .seconds(300))
    let lost = log.finish()
    #expect(lost > 400 && ContinuousClock.now - began < .seconds(300))
    close(ends[0])
  }

  @Test func aReaderThatComesBackGetsWhatWaits() {
    var ends: [Int32] = [0, 0]
    #expect(unsafe pipe(&ends) == 0)
    let log = MessageLog(descriptor: ends[1])
    for i in 0..<100 { log.write("\(i)\n", .record) }
    #expect(log.finish() == 0)
    close(ends[1])
    let text = String(decoding: FileHandle(fileDescriptor: ends[0]).readDataToEndOfFile(), as: UTF8.self)
    #expect(text == (0..<100).map { "\($0)\n" }.joined())
    close(ends[0])
  }

  @Test(arguments: ["/dev/full"])
  func afullDiskDropsAndCounts(_ path: String) throws {
    let file = unsafe open(path, O_WRONLY)
    try #require(file >= 0)
    let log = MessageLog(descriptor: file)
    for _ in 0..<10 { log.write("a line\n") }
    #expect(log.finish() == 10)
    close(file)
  }

  /// The process would end with the signal of a closed pipe.
  @Test func aReaderThatWentAwayDropsAndCounts() {
    var ends: [Int32] = [0, 0]
    #expect(unsafe pipe(&ends) == 0)
    close(ends[0])
    let log = MessageLog(descriptor: ends[1])
    for _ in 0..<10 { log.write("a line\n") }
    #expect(log.finish() == 10)
    close(ends[1])
  }

  @Test func aClosedFileDropsAndCounts() {
    let log = MessageLog(descriptor: 987)
    log.write("a line\n")
    #expect(log.finish() == 1)
  }
}

@Suite struct VisibleTextTests {
  @Test(arguments: [
    ("plain\ttext\n", "plain\ttext\n"), ("\u{1B}[31mred", "\\u001b[31mred"), ("a\rb", "a\\u000db"),
    ("\u{7F}\u{9B}2J", "\\u007f\\u009b2J"), ("\u{202E}gpj.exe", "\\u202egpj.exe"), ("\u{0}", "\\u0000"),
    ("größer 数学 👩‍🔬", "größer 数学 👩‍🔬"), ("a\u{2028}b", "a\\u2028b"), ("\u{85}", "\\u0085"),
  ])
  func nothingSteersATerminal(_ text: String, _ shown: String) { #expect(visible(text) == shown) }

  @Test func contentKeepsDirections() {
    #expect(visible("\u{200F}שלום\u{1B}", keepsDirections: true) == "\u{200F}שלום\\u001b")
  }
}

@Suite struct ErrorTextTests {
  @Test func errorsOfFoundationAreRephrased() {
    let folder = "/nowhere-at-all/\(UUID().uuidString)"
    let attempts: [() throws -> Void] = [
      { try Data([1]).write(to: URL(fileURLWithPath: folder + "/x")) },
      { _ = try String(contentsOfFile: folder, encoding: .utf8) },
      { try FileManager.default.removeItem(atPath: folder) },
      { try FileManager.default.moveItem(atPath: folder, toPath: folder + "2") },
      { try FileManager.default.createDirectory(atPath: "/proc/x/y", withIntermediateDirectories: true) },
      { _ = try FileManager.default.contentsOfDirectory(atPath: folder) },
      { throw POSIXError(.ENOSPC) },
    ]
    for attempt in attempts {
      do {
        try attempt()
        Issue.record("no error")
      } catch {
        let text = errorText(error)
        #expect(!text.contains("Cocoa") && !text.contains("NSError") && !text.contains("UserInfo"), "\(text)")
        #expect(text.contains("found ") && text.contains("expected "), "\(text)")
        #expect(
          text.contains("No such file") || text.contains("No space") || text.contains("ermission"), "\(text)")
      }
    }
  }
}
