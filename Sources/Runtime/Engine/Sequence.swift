/// What the sequences of one prompt share. The engine's thread alone uses it.
final class SharedPrompt {
  /// The prompt's keys and values, for the samples that begin later.
  var cache: SequenceCache?
  /// The sample that computes the prompt for all.
  weak var leader: Sequence?
  /// Samples that wait.
  var waiting = 0
}

/// A job between its admission and its end, with the tokens it has so far. The engine's thread alone uses it.
final class Sequence {
  let job: Job
  let prompt: SharedPrompt
  let adapter: AttachedAdapter?
  let promptCount: Int
  /// Most tokens in all.
  let limit: Int
  /// Prompt and what was drawn, or the text to score.
  private(set) var tokens: [Int]

  /// Nil while it waits.
  private(set) var cache: SequenceCache?
  private var node: PrefixNode?  // the last page known to the prefix cache; nil before the first
  private var registered = 0  // pages known to it
  let key: PrefixKey
  /// Tokens of the prompt that it did not compute itself.
  private var cachedPromptTokens = 0

  /// For a completion.
  let request: GenerationRequest?
  private var text: TextAssembler?
  let penalties: PenaltyTable?

  /// For a score: the first token to tell about, and what is known by now.
  let scoreFrom: Int
  let temperature: Float
  private(set) var scores: [Float] = []

  /// - Parameter roomTokens: the most tokens that can be kept at once.
  init(_ job: Job, _ prompt: SharedPrompt, context: Int, roomTokens: Int) {
    self.job = job
    self.prompt = prompt
    switch job.task {
    case .generate(let request):
      self.request = request
      adapter = request.adapter
      tokens = request.prompt
      limit = Self.limit(request, context: context, roomTokens: roomTokens)
      text = request.tokenizer.map {
        TextAssembler($0, stops: request.stopTexts, silent: request.stopTokens)
      }
      penalties =
        request.sampling.hasPenalties ? PenaltyTable(prompt: request.prompt, request.sampling) : nil
      scoreFrom = 0
      temperature = 1
    case .score(let tokens, let from, let adapter, let temperature):
      request = nil
      self.adapter = adapter
      self.tokens = tokens
      limit = tokens.count
      text = nil
      penalties = nil
      scoreFrom = from
      self.temperature = temperature
    }
    promptCount = tokens.count
    key = PrefixKey(adapter)
  }

  /// The most tokens of a completion, prompt included.
  static func limit(_ request: GenerationRequest, context: Int, roomTokens: Int) -> Int {
    let (wanted, overflow) = request.prompt.count.addingReportingOverflow(request.maxTokens)
    // Without a limit of its own an answer ends where the room does. The last token is never stored.
    let most = request.maxTokens == .max ? min(context, roomTokens + 1) : context
    return overflow ? most : min(wanted, most)
  }

  /// Order of fairness: by arrival, then by sample.
  func precedes(_ other: Sequence) -> Bool {
    (job.group.arrival, job.sample) < (other.job.group.arrival, other.job.sample)
  }

  // MARK: Keys and values

  /// Whether nothing was drawn yet.
  var isFresh: Bool { tokens.count == promptCount }
  /// Tokens whose keys and values are not there.
  var pendingCount: Int { lastComputed - (cache?.count ?? 0) }
  /// A score needs no keys and values of its last token.
  private var lastComputed: Int { request == nil ? tokens.count - 1 : tokens.count }
  /// Tokens that a running sequence needs room for.
  var neededTokens: Int { lastComputed }
  /// Tokens whose keys and values are never taken from elsewhere, because their logits are wanted.
  private var firstWanted: Int { request == nil ? scoreFrom - 1 : tokens.count - 1 }

  /// Begins, or begins again, with an empty cache or a part of the group's.
  func begin(_ cache: SequenceCache) {
    self.cache = cache
    if isFresh { cachedPromptTokens = cache.count }
    node = nil
    registered = 0
  }

  /// Continues from what `other`, which has the same tokens, has computed.
  func begin(_ cache: SequenceCache, like other: Sequence) {
    self.cache = cache
    cachedPromptTokens = cache.count
    node = other.node
    registered = other.registered
  }

  /// Gives its keys and values back.
  func release() {
    cache = nil
    node = nil
    registered = 0
  }

  /// Takes full pages that somebody else computed.
  func advance(_ prefixes: PrefixCache) -> Int {
    guard let cache else { return 0 }
    var adopted = 0
    while let page = nextPage(upTo: firstWanted), let child = prefixes.child(of: node, page, key: key) {
      cache.adopt(child.page)
      node = child
      registered += 1
      adopted += 1
    }
    return noting(adopted * CacheLayout.pageTokens)
  }

  /// Copies the beginning of a page that somebody else computed, where the whole page is another or its last token's
  /// logits are wanted. Room for the page is reserved by now. Returns how many tokens that were.
  func borrow(_ prefixes: PrefixCache) -> Int {
    guard let cache, cache.count == registered * CacheLayout.pageTokens, cache.count < firstWanted,
      let found = prefixes.beginning(of: tokens[cache.count..<firstWanted], below: node, key: key)
    else { return 0 }
    cache.copy(found.count, from: found.page)
    return noting(found.count)
  }

  private func noting(_ cached: Int) -> Int {
    if isFresh { cachedPromptTokens += cached }
    return cached
  }

  /// What it will compute next, if that is a full page that others may want too.
  func nextSharedPage() -> PageIdentity? {
    guard let page = nextPage(upTo: lastComputed) else { return nil }
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
    return tokens[start..<start + CacheLayout.pageTokens].map { Int32(truncatingIfNeeded: $0) }
  }

  /// Makes the pages that are full now known to others; where another was first, its page is used.
  func register(_ prefixes: PrefixCache) {
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

  /// The next piece of work, at most `rows` tokens long with at most `logitRows` wanted.
  func segment(rows: Int, logitRows: Int) -> Segment {
    guard let cache else { preconditionFailure("begin comes first") }
    let start = cache.count
    var end = min(start + rows, lastComputed)
    let first = max(firstWanted, start)
    if request == nil { end = min(end, first + logitRows) }
    return Segment(
      tokens: Array(tokens[start..<end]), cache: cache, adapter: adapter,
      logits: first < end ? first - start..<end - start : 0..<0)
  }

  func add(scores new: [Float]) { scores += new }

  /// Takes the drawn token; the event for it, and the ending if it was the last.
  func take(_ row: borrowing DrawnRow) -> (GeneratedToken, Ending?) {
    guard let request else { preconditionFailure("only completions draw") }
    let id = row.id
    tokens.append(id)
    penalties?.add(id)
    let piece = text?.append(id) ?? ""
    let token = GeneratedToken(
      id: id, logProbability: row.logProbability, temperedLogProbability: row.temperedLogProbability,
      top: row.top, text: piece)
    if text?.found != nil { return (token, ending(.stop)) }
    if request.stopTokens.contains(id) { return (token, ending(.stop)) }
    return (token, tokens.count >= limit ? ending(.length) : nil)
  }

  /// The end, with the text that was held back. A stop text may be completed by a character's last byte only
  /// now.
  func ending(_ reason: FinishReason) -> Ending {
    let rest = text?.finish() ?? ""
    return Ending(
      text?.found == nil ? reason : .stop, text: rest, stopText: text?.found,
      cachedPromptTokens: cachedPromptTokens)
  }
}

/// What the sampler tells of one row.
struct DrawnRow {
  let id: Int
  let logProbability: Float
  let temperedLogProbability: Float
  let top: [TokenProbability]
}

/// A page of a prefix, whether it is there or being computed.
struct PageIdentity: Hashable {
  let key: PrefixKey
  let node: ObjectIdentifier?
  let tokens: [Int32]
}

/// The tokens that penalties are about, each once, with how often it was drawn.
@safe final class PenaltyTable {
  private var places: [Int: Int] = [:]
  private var capacity = 0
  private(set) var count = 0
  private(set) var ids: UnsafeMutablePointer<UInt32>?
  private(set) var drawn: UnsafeMutablePointer<UInt32>?

  init(prompt: [Int], _ parameters: SamplingParameters) {
    // Only the repetition penalty is about the prompt.
    guard parameters.repetitionPenalty != 1 else { return }
    for id in prompt where places[id] == nil { insert(id) }
  }

  deinit {
    unsafe ids?.deallocate()
    unsafe drawn?.deallocate()
  }

  /// Counts a token that was drawn.
  func add(_ id: Int) {
    let place = places[id] ?? insert(id)
    unsafe drawn?[place] += 1
  }

  @discardableResult private func insert(_ id: Int) -> Int {
    if count == capacity {
      let larger = max(2 * capacity, 64)
      unsafe ids = Self.grown(ids, count, larger)
      unsafe drawn = Self.grown(drawn, count, larger)
      capacity = larger
    }
    unsafe ids?[count] = UInt32(truncatingIfNeeded: id)
    unsafe drawn?[count] = 0
    places[id] = count
    count += 1
    return count - 1
  }

  private static func grown(
    _ old: UnsafeMutablePointer<UInt32>?, _ count: Int, _ capacity: Int
  ) -> UnsafeMutablePointer<UInt32> {
    let new = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
    if let old = unsafe old {
      unsafe new.update(from: old, count: count)
      unsafe old.deallocate()
    }
    return unsafe new
  }
}
