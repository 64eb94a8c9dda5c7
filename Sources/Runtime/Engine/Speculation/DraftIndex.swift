/// Finds where the last tokens of a text occurred before, in that text or in others, and what followed there.
///
/// Texts grow side by side: a token knows the place of the one before it and of the one that followed. Pairs of tokens
/// are found by a table of their last place, from which each place leads to the one before. At `capacity` tokens the
/// oldest are forgotten, as a compressor's window forgets them.
package struct DraftIndex {
  /// What is remembered of a token. Links are places plus 1, as far as 32 bits hold them; 0 is none. A link that
  /// outlived its place leads to another token at worst, and tokens are compared.
  private struct Node {
    var token: Int32
    var before: UInt32 = 0
    var after: UInt32 = 0
    var earlier: UInt32 = 0  // the place before this one with the same pair, or with the same hash
  }

  /// What followed elsewhere.
  package struct Draft {
    package var tokens: [Int] = []
    /// How many of the last tokens occurred there too, up to 16.
    package var match = 0

    package init(tokens: [Int] = [], match: Int = 0) {
      self.tokens = tokens
      self.match = match
    }
  }

  package typealias Place = Int

  private let capacity: Int
  private var nodes: [Node] = []
  private var heads: [UInt32] = []
  /// Tokens ever added; a place is the number of tokens before it.
  private var count = 0

  private static let longestMatch = 16
  private static let mostCandidates = 16

  /// - Parameter capacity: the most tokens that are remembered; a power of 2, at least 16.
  package init(capacity: Int = 1 << 16) {
    precondition(capacity >= 16 && capacity & (capacity - 1) == 0, "a power of 2")
    self.capacity = capacity
  }

  /// Tokens that are remembered.
  package var held: Int { nodes.count }
  /// Bytes that it takes, about.
  package var bytes: Int {
    nodes.capacity * MemoryLayout<Node>.stride + heads.capacity * MemoryLayout<UInt32>.stride
  }

  /// Whether `place` is still remembered.
  package func holds(_ place: Place) -> Bool { place < count && place >= count - nodes.count }

  /// Adds the tokens that follow `place`, or begin a text. Returns the place of the last.
  @discardableResult package mutating func append(_ tokens: some Sequence<Int>, after place: Place?) -> Place?
  {
    var last = place.flatMap { holds($0) ? $0 : nil }
    for token in tokens { last = append(token, after: last) }
    return last
  }

  private mutating func append(_ token: Int, after last: Place?) -> Place {
    let place = count
    var node = Node(token: Int32(truncatingIfNeeded: token))
    if nodes.count < capacity {
      if heads.count < 2 * (nodes.count + 1) { growTable() }
    }
    // The node that is replaced may be the one before.
    if let last, last > count - capacity {
      node.before = Self.link(last)
      nodes[last & (capacity - 1)].after = Self.link(place)
      let slot = slot(of: nodes[last & (capacity - 1)].token, node.token)
      node.earlier = heads[slot]
      heads[slot] = Self.link(place)
    }
    if nodes.count < capacity { nodes.append(node) } else { nodes[place & (capacity - 1)] = node }
    count += 1
    return place
  }

  /// What may follow `last`, the place of a text's last token, and `guesses` behind it: what followed where most of the
  /// last tokens occurred before, of equals the latest. A text that repeats itself is continued around.
  package func draft(after last: Place, behind guesses: [Int] = [], limit: Int) -> Draft {
    guard holds(last) else { return Draft() }
    // The last tokens, the latest first.
    var tail = guesses.suffix(Self.longestMatch).reversed().map { Int32(truncatingIfNeeded: $0) }
    var own: Place? = last
    while tail.count < Self.longestMatch, let place = own {
      tail.append(node(place).token)
      own = self.place(node(place).before)
    }
    guard tail.count > 1, !heads.isEmpty else { return Draft() }
    var best: (place: Place, match: Int)?
    var link = heads[slot(of: tail[1], tail[0])]
    for _ in 0..<Self.mostCandidates {
      guard let candidate = place(link) else { break }
      let found = node(candidate)
      if place(found.after) != nil, case let match = match(candidate, tail), match > best?.match ?? 1 {
        best = (candidate, match)
        if match == Self.longestMatch { break }
      }
      // A stale link may lead forward.
      guard let next = place(found.earlier), next < candidate else { break }
      link = found.earlier
    }
    guard let best else { return Draft() }
    var draft = Draft(match: best.match)
    var next = place(node(best.place).after)
    while draft.tokens.count < limit, let place = next {
      draft.tokens.append(Int(node(place).token))
      next = self.place(node(place).after)
      if place == last, next == nil {
        draft.tokens += guesses
        let period = draft.tokens.count
        while draft.tokens.count < limit { draft.tokens.append(draft.tokens[draft.tokens.count - period]) }
      }
    }
    draft.tokens.removeLast(max(draft.tokens.count - limit, 0))
    return draft
  }

  /// How many tokens up to a place agree with the last ones of a text, the latest first.
  private func match(_ place: Place, _ tail: [Int32]) -> Int {
    var (place, count): (Place?, Int) = (place, 0)
    while count < tail.count, let at = place, node(at).token == tail[count] {
      count += 1
      place = self.place(node(at).before)
    }
    return count
  }

  private func node(_ place: Place) -> Node { nodes[place & (capacity - 1)] }

  private static func link(_ place: Place) -> UInt32 { UInt32(truncatingIfNeeded: place + 1) }

  /// The place that a link means; nil when it is none or forgotten.
  private func place(_ link: UInt32) -> Place? {
    guard link != 0 else { return nil }
    let age = UInt32(truncatingIfNeeded: count + 1) &- link
    return age >= 1 && Int(age) <= nodes.count ? count - Int(age) : nil
  }

  private func slot(of a: Int32, _ b: Int32) -> Int {
    let mixed = (UInt32(bitPattern: a) &* 0x9E37_79B1 ^ UInt32(bitPattern: b)) &* 0x85EB_CA6B
    return Int(mixed >> 7) & (heads.count - 1)
  }

  private mutating func growTable() {
    heads = Array(repeating: 0, count: max(2 * heads.count, 1024))
    for place in 0..<nodes.count {
      guard let before = self.place(nodes[place].before) else { continue }
      let slot = slot(of: nodes[before].token, nodes[place].token)
      nodes[place].earlier = heads[slot]
      heads[slot] = Self.link(place)
    }
  }
}
