import Support
import Tokenization

/// Turns tokens into text as they come, and finds stop texts, which need not begin or end where tokens do.
///
/// Text that may begin a stop text is held back until that is decided. Texts are compared as UTF-8 bytes.
struct TextAssembler {
  private var decoder: StreamingDecoder
  private let stops: [[UInt8]]
  private let texts: [String]
  private let silent: Set<Int>
  private var held: [UInt8] = []
  /// The stop text that was found.
  private(set) var found: String?

  /// - Parameter silent: tokens that give no text.
  init(_ tokenizer: Tokenizer, stops: [String], silent: Set<Int>) {
    decoder = tokenizer.streamingDecoder(skipSpecialTokens: true, continues: true)
    texts = stops
    self.stops = stops.map { Array($0.utf8) }
    self.silent = silent
  }

  /// The text that became certain with this token.
  mutating func append(_ id: Int) -> String {
    guard found == nil, !silent.contains(id) else { return "" }
    let text = decoder.append(id)
    return stops.isEmpty ? text : release(text)
  }

  /// What is left at the end.
  mutating func finish() -> String {
    guard found == nil else { return "" }
    let text = decoder.finish()
    guard !stops.isEmpty else { return text }
    let released = release(text)
    if found != nil { return released }
    defer { held = [] }
    return released + String(decoding: held, as: UTF8.self)
  }

  /// Adds `text` byte by byte, so that the ends of tokens do not matter. Returns what can belong to no stop text.
  private mutating func release(_ text: String) -> String {
    for byte in text.utf8 {
      held.append(byte)
      // Of the stop texts that end here, the longest, because it begins first.
      var match: Int?
      for (i, stop) in stops.enumerated() where stop.last == byte && held.ends(with: stop) {
        if stop.count > match.map({ stops[$0].count }) ?? 0 { match = i }
      }
      if let match {
        found = texts[match]
        defer { held = [] }
        return String(decoding: held.dropLast(stops[match].count), as: UTF8.self)
      }
    }
    let keep = stops.map { held.overlap(withStartOf: $0) }.max() ?? 0
    let certain = held.count - keep
    defer { held.removeFirst(certain) }
    return String(decoding: held[..<certain], as: UTF8.self)
  }
}

extension Array where Element == UInt8 {
  fileprivate func ends(with other: some BidirectionalCollection<UInt8>) -> Bool {
    count >= other.count && suffix(other.count).elementsEqual(other)
  }
}
