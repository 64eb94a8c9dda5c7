import Foundation
import Tokenization

/// Prompts: the input many times over, as a text and as messages. Time stays linear, and no message makes a turn.
private let tokenizer: Tokenizer = {
  let path = FileManager.default.currentDirectoryPath + "/Models/pico/tokenizer.json"
  guard let tokenizer = try? Tokenizer(path: path) else { preconditionFailure("no tokenizer at \(path)") }
  return tokenizer
}()
private let user = tokenizer.id(of: "<｜User｜>")

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let first = bytes.first else { return 0 }
  let piece = String(decoding: bytes.dropFirst(), as: UTF8.self)
  let times = min(1 << Int(first % 16), (1 << 15) / max(1, piece.utf8.count) + 1)
  let text = String(repeating: piece, count: times)
  let begin = ContinuousClock.now
  let ids = tokenizer.encode(text, addSpecialTokens: false)
  let messages = [ChatMessage(role: .system, content: piece), ChatMessage(role: .user, content: text)]
  for template in [ChatTemplate.deepSeekR1Plain, .deepSeekR1Think, .chatML(defaultSystem: nil)] {
    let prompt = tokenizer.encode(template.parts(messages, bosToken: ""))
    let expected = template == .chatML(defaultSystem: nil) ? 0 : 1
    precondition(prompt.count(where: { $0 == user }) == expected, "a message made a turn")
  }
  precondition(ContinuousClock.now - begin < .seconds(3), "a prompt of \(text.utf8.count) bytes took seconds")
  let decoded = tokenizer.decode(ids)
  precondition(
    decoded.utf8.elementsEqual(text.precomposed.utf8) || times > 1 || text.hasMarks, "encoding lost something"
  )
  return 0
}

extension String {
  /// Bounded, because Foundation's normalisation is not linear.
  fileprivate var precomposed: String { utf8.count > 4096 ? self : precomposedStringWithCanonicalMapping }

  /// Added tokens are cut out before the text is normalised.
  fileprivate var hasMarks: Bool { utf8.contains(UInt8(ascii: "<")) }
}
