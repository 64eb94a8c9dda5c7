import Support

/// Which added tokens a text may hold. What a text may not hold is text like any other.
public enum AddedTokenUse: Sendable {
  /// All of them: a chat template's own text, and what is continued as it is.
  case all
  /// `<think>` and `</think>`: what the model said before, and what the system tells it.
  case thinking
  /// None but white space and HTML's tags: what others say, who must not speak for the model.
  case none

  func allows(_ token: AddedToken) -> Bool {
    switch self {
    case .all: true
    case .thinking:
      token.isHarmless || ["<think>", "</think>"].contains { token.content.elementsEqual($0.utf8) }
    case .none: token.isHarmless
    }
  }
}

/// A part of a text.
public struct TextPart: Sendable, Equatable {
  /// The text.
  public var text: String
  /// The added tokens that it may hold.
  public var use: AddedTokenUse

  /// Makes a part.
  public init(_ text: String, _ use: AddedTokenUse) {
    self.text = text
    self.use = use
  }
}

/// Where a part of a joined text ends.
struct PartEnd {
  let end: Int
  let use: AddedTokenUse
}

/// Parts joined to one text. Those that may hold all added tokens are one where they touch: a token may span them.
struct JoinedText {
  private(set) var bytes: [UInt8] = []
  private(set) var parts: [PartEnd] = []

  /// The whole of a text, malformed UTF-8 repaired.
  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    parts = [PartEnd(end: bytes.count, use: .all)]
  }

  init(_ parts: [TextPart]) {
    bytes.reserveCapacity(parts.reduce(0) { $0 + $1.text.utf8.count })
    for part in parts { append(part.text.utf8, part.use) }
  }

  init() {}

  mutating func append(_ text: some Collection<UInt8>, _ use: AddedTokenUse) {
    guard !text.isEmpty else { return }
    bytes += text
    if use == .all, parts.last?.use == .all { parts.removeLast() }
    parts.append(PartEnd(end: bytes.count, use: use))
  }

  /// The pieces of a range that lie in one part each.
  func pieces(_ range: Range<Int>) -> [(range: Range<Int>, use: AddedTokenUse)] {
    var pieces: [(range: Range<Int>, use: AddedTokenUse)] = []
    var start = range.lowerBound
    // The first part that ends behind the range's beginning.
    var (low, high) = (0, parts.count)
    while low < high {
      let middle = (low + high) / 2
      if parts[middle].end <= start { low = middle + 1 } else { high = middle }
    }
    while start < range.upperBound, low < parts.count {
      let end = min(parts[low].end, range.upperBound)
      pieces.append((start..<end, parts[low].use))
      start = end
      low += 1
    }
    return pieces
  }
}
