/// The tokens of a job, and the keys and values that are there of them. The engine's thread alone uses it.
struct CachedTokens {
  /// Prompt and what was drawn, or the text to score.
  private(set) var ids: [Int]
  let promptCount: Int
  let key: PrefixKey
  /// Nil while the job waits.
  private(set) var cache: SequenceCache?
  /// Tokens of the prompt that the job did not compute itself.
  private(set) var cachedPromptCount = 0

  /// Of a text to score, the first token whose probability is wanted.
  private let scoredFrom: Int?
  private var node: PrefixNode?  // the last page known to the prefix cache; nil before the first
  private var registered = 0  // pages known to it

  init(_ ids: [Int], key: PrefixKey, scoredFrom: Int?) {
    self.ids = ids
    promptCount = ids.count
    self.key = key
    self.scoredFrom = scoredFrom
  }

  /// Adds a token that was drawn.
  mutating func append(_ id: Int) { ids.append(id) }

  /// Whether nothing was drawn yet.
  var isFresh: Bool { ids.count == promptCount }
  /// Tokens whose keys and values are not there.
  var pendingCount: Int { neededCount - (cache?.count ?? 0) }
  /// Tokens that need room. A score needs no keys and values of its last token.
  var neededCount: Int { scoredFrom == nil ? ids.count : ids.count - 1 }
  /// Tokens before the first whose logits are wanted: their keys and values may be taken from elsewhere.
  private var borrowableCount: Int { scoredFrom.map { $0 - 1 } ?? ids.count - 1 }

  // MARK: Room

  /// Begins, or begins again, with an empty cache or a part of the group's.
  mutating func begin(_ cache: SequenceCache) {
    self.cache = cache
    if isFresh { cachedPromptCount = cache.count }
    node = nil
    registered = 0
  }

  /// Continues from what `other`, which has the same tokens, has computed.
  mutating func begin(_ cache: SequenceCache, like other: CachedTokens) {
    self.cache = cache
    cachedPromptCount = cache.count
    node = other.node
    registered = other.registered
  }

  /// Makes room for up to `count` guesses behind the tokens, as far as pages are free. Returns for how many there is
  /// room.
  func reserve(beyond count: Int) -> Int {
    guard let cache else { return 0 }
    if cache.tryReserve(tokens: neededCount + count) { return count }
    return min(max(CacheLayout.tokens(inPages: cache.pages.count) - neededCount, 0), count)
  }

  /// Gives the keys and values of wrong guesses back: the last token, just drawn, has none yet.
  func dropGuesses() { cache?.truncate(to: neededCount - 1) }

  /// Forgets keys and values behind the first `count` tokens, which were none of the text.
  func truncate(to count: Int) { cache?.truncate(to: count) }

  /// Gives its keys and values back.
  mutating func release() {
    cache = nil
    node = nil
    registered = 0
  }

  // MARK: Prefixes

  /// Takes full pages that another job computed. Returns how many tokens they hold.
  mutating func advance(_ prefixes: PrefixCache) -> Int {
    guard let cache else { return 0 }
    var adopted = 0
    while let page = nextPage(upTo: borrowableCount), let child = prefixes.child(of: node, page, key: key) {
      cache.adopt(child.page)
      node = child
      registered += 1
      adopted += 1
    }
    return noting(adopted * CacheLayout.pageTokens)
  }

  /// Copies the beginning of a page that another job computed, where the whole page differs or its last token's
  /// logits are wanted. Room for the page must be reserved. Returns how many tokens were copied.
  mutating func borrow(_ prefixes: PrefixCache) -> Int {
    let end = borrowableCount
    guard let cache, cache.count == registered * CacheLayout.pageTokens, cache.count < end,
      let found = prefixes.beginning(of: ids[cache.count..<end], below: node, key: key)
    else { return 0 }
    cache.copy(found.count, from: found.page)
    return noting(found.count)
  }

  private mutating func noting(_ cached: Int) -> Int {
    if isFresh { cachedPromptCount += cached }
    return cached
  }

  /// What the job will compute next, if that is a full page that others may want too.
  func nextSharedPage() -> PageIdentity? {
    guard let page = nextPage(upTo: neededCount) else { return nil }
    return PageIdentity(key: key, node: node.map { ObjectIdentifier($0) }, tokens: page)
  }

  private func nextPage(upTo end: Int) -> [Int32]? {
    guard let cache, cache.count == registered * CacheLayout.pageTokens,
      cache.count + CacheLayout.pageTokens <= end
    else { return nil }
    return page(registered)
  }

  private func page(_ index: Int) -> [Int32] {
    let start = index * CacheLayout.pageTokens
    return ids[start..<start + CacheLayout.pageTokens].map { Int32(truncatingIfNeeded: $0) }
  }

  /// Makes the pages that are full now known to others; where another was first, its page is used.
  mutating func register(_ prefixes: PrefixCache) {
    guard let cache else { return }
    while (registered + 1) * CacheLayout.pageTokens <= cache.count {
      let own = cache.pages[registered]
      let place = prefixes.insert(below: node, page(registered), page: own, key: key)
      if place.page != own { cache.replace(registered, with: place.page) }
      node = place
      registered += 1
    }
  }

  // MARK: Steps

  /// The last token, with guesses of what follows: each wants logits.
  func segment(_ adapter: AttachedAdapter?, guesses: ArraySlice<Int>) -> Segment {
    guard let cache, let last = ids.last else { preconditionFailure("begin comes first") }
    return Segment(tokens: [last] + guesses, cache: cache, adapter: adapter, logits: 0..<1 + guesses.count)
  }

  /// The next tokens to compute, at most `rows` of them with at most `logitRows` of a text to score wanted.
  func segment(_ adapter: AttachedAdapter?, rows: Int, logitRows: Int) -> Segment {
    guard let cache else { preconditionFailure("begin comes first") }
    let start = cache.count
    var end = min(start + rows, neededCount)
    let first = max(borrowableCount, start)
    if scoredFrom != nil { end = min(end, first + logitRows) }
    return Segment(
      tokens: Array(ids[start..<end]), cache: cache, adapter: adapter,
      logits: first < end ? first - start..<end - start : 0..<0)
  }
}

/// A page of a prefix, whether it is there or being computed.
struct PageIdentity: Hashable {
  let key: PrefixKey
  let node: ObjectIdentifier?
  let tokens: [Int32]
}
