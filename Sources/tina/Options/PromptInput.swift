import Foundation
import Support
import TinaRuntime
import Tokenization

/// A prompt from standard input, read in two parts: whether there is one shows before a model is opened, and how long
/// it may be afterwards.
struct PromptInput {
  private var bytes: [UInt8] = []
  private var atEnd = false
  /// Texts up to this length are always read and tokenised.
  static let harmless = 1 << 20

  /// Whether something is piped in, or a file is: what a prompt on the command line is about.
  static var isPiped: Bool {
    var info = stat()
    guard unsafe fstat(STDIN_FILENO, &info) == 0 else { return false }
    return [S_IFIFO, S_IFREG, S_IFSOCK].contains(info.st_mode & S_IFMT)
  }

  /// Reads the first part. Behind a prompt nobody may know that there is a wait: it is told after a second.
  init(behindPrompt: Bool = false) throws {
    var entry = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    if behindPrompt, unsafe poll(&entry, 1, 1000) == 0 {
      Terminal.note("Waiting for standard input, which comes behind the prompt; < /dev/null leaves it out.")
    }
    try read(upTo: Self.harmless)
  }

  /// Whether there is nothing but an end of line.
  var isEmpty: Bool { atEnd && trimmed.isEmpty }

  /// The whole text, without the end of its last line.
  mutating func text(_ tokenizer: Tokenizer, context: Int) throws -> String {
    if !atEnd {
      let limit = tokenizer.byteLimit(tokens: context)
      try read(upTo: limit + 1)
      if !atEnd || bytes.count > limit { throw Self.tooLong("more than \(limit)", limit, context) }
    }
    return String(decoding: trimmed, as: UTF8.self)
  }

  private var trimmed: ArraySlice<UInt8> {
    guard bytes.last == UInt8(ascii: "\n") else { return bytes[...] }
    let rest = bytes.dropLast()
    return rest.last == UInt8(ascii: "\r") ? rest.dropLast() : rest
  }

  private mutating func read(upTo limit: Int) throws {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while !atEnd, bytes.count < limit {
      let count = unsafe chunk.withUnsafeMutableBytes {
        unsafe Foundation.read(STDIN_FILENO, $0.baseAddress, $0.count)
      }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN {
        var entry = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&entry, 1, -1)
        continue
      }
      guard count >= 0 else {
        throw CommandError(
          "standard input: found \(systemErrorText(errno)); expected a prompt. Give one as an argument, or pipe it in."
        )
      }
      if count == 0 { atEnd = true } else { bytes += chunk[..<count] }
    }
  }

  /// Refuses a text that no tokens of the context can stand for, before anything large is computed of it.
  static func check(_ text: String, _ tokenizer: Tokenizer, context: Int) throws {
    guard text.utf8.count > harmless else { return }
    let limit = tokenizer.byteLimit(tokens: context)
    if text.utf8.count > limit { throw tooLong("\(text.utf8.count)", limit, context) }
  }

  private static func tooLong(_ found: String, _ limit: Int, _ context: Int) -> CommandError {
    CommandError(
      "the prompt: found \(found) bytes; expected at most \(limit), because the context holds \(context) tokens."
        + " Shorten the prompt, or raise the context limit.")
  }
}
