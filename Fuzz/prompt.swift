import Foundation
import Tokenization

/// Prompts: the input many times over, as a text and as messages. Time stays linear, and no message makes a turn.
private let tokenizer: Tokenizer = {
  let path = FileManager.default.currentDirectoryPath + "/Models/pico/tokenizer.json"
  guard let tokenizer = try? Tokenizer(path: path) else { preconditionFailure("no tokenizer at \(path)") }
  return tokenizer
}()
private let user = tokenizer.id(of: "<｜User｜>")

func testPrompt(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let first = bytes.first else { return 0 }
  let piece = String(decoding: bytes.dropFirst(), as: UTF8.self)
  let times = min(1 << Int(first % 16), (1 << 15) / max(1, piece.utf8.count) + 1)
  let text = String(repeating: piece, count: times)
  let began = processorSeconds()
  let ids = tokenizer.encode(text, addSpecialTokens: false)
  let messages = [ChatMessage(role: .system, content: piece), ChatMessage(role: .user, content: text)]
  for template in [ChatTemplate.deepSeekR1Plain, .deepSeekR1Think, .chatML(defaultSystem: nil)] {
    guard let parts = try? template.parts(messages, bosToken: "") else {
      preconditionFailure("a conversation of these templates is refused")
    }
    let prompt = tokenizer.encode(parts)
    let expected = template == .chatML(defaultSystem: nil) ? 0 : 1
    precondition(prompt.count(where: { $0 == user }) == expected, "a message made a turn")
  }
  precondition(processorSeconds() - began < 3, "a prompt of \(text.utf8.count) bytes took seconds")
  // What the tokens spell has the same tokens: normalisation and merging leave nothing to do. Equality with Python's
  // normal form is the tests', because Foundation's is no judge: it misorders U+0F73.
  if !text.utf8.contains(UInt8(ascii: "<")) {
    let again = tokenizer.encode(tokenizer.decode(ids), addSpecialTokens: false)
    precondition(again == ids, "the tokens of \(text.utf8.count) bytes spell another text")
  }
  return 0
}
