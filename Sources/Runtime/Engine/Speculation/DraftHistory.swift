/// Finished completions by prompt, from which later completions of the same prompt are guessed. At its bound it forgets
/// the prompt whose completions are the oldest.
struct DraftHistory {
  private struct Entry {
    var texts: [[Int32]] = []
    var tokens = 0
    var stamp = 0
  }

  /// The most tokens that are kept for one prompt: the latest.
  private static let tokensPerPrompt = 8192

  private let limit: Int
  private var entries: [[Int32]: Entry] = [:]
  /// Prompts by when a completion was added; those that were added to again later are passed over.
  private var order: [(prompt: [Int32], stamp: Int)] = []
  private var first = 0
  private var stamp = 0
  /// Bytes of prompts and completions.
  private(set) var bytes = 0

  init(bytes: Int) { limit = bytes }

  /// The completions of a prompt, the oldest first.
  func texts(_ prompt: ArraySlice<Int>) -> [[Int32]] {
    entries.isEmpty ? [] : entries[Self.key(prompt)]?.texts ?? []
  }

  mutating func add(_ text: ArraySlice<Int>, to prompt: ArraySlice<Int>) {
    guard limit > 0, !text.isEmpty else { return }
    let key = Self.key(prompt)
    let text = Self.key(text.prefix(Self.tokensPerPrompt))
    var entry = entries[key] ?? Entry()
    if entry.texts.isEmpty { bytes += 4 * key.count }
    entry.texts.append(text)
    entry.tokens += text.count
    while entry.tokens > Self.tokensPerPrompt {
      entry.tokens -= entry.texts[0].count
      bytes -= 4 * entry.texts.removeFirst().count
    }
    bytes += 4 * text.count
    stamp += 1
    entry.stamp = stamp
    entries[key] = entry
    order.append((key, stamp))
    forget()
  }

  private mutating func forget() {
    while bytes > limit, first < order.count { forgetFirst() }
    // Of each prompt one place in the order counts.
    if order.count > 1024, order.count > 4 * entries.count {
      order = order[first...].filter { entries[$0.prompt]?.stamp == $0.stamp }
      first = 0
    }
  }

  private mutating func forgetFirst() {
    let (prompt, stamp) = order[first]
    order[first].prompt = []
    first += 1
    guard let entry = entries[prompt], entry.stamp == stamp else { return }
    entries[prompt] = nil
    bytes -= 4 * (prompt.count + entry.tokens)
  }

  private static func key(_ tokens: ArraySlice<Int>) -> [Int32] {
    tokens.map { Int32(truncatingIfNeeded: $0) }
  }
}
