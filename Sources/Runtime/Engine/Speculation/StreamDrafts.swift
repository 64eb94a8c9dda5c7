/// What a job's guesses stand on. The engine's thread alone uses it.
struct StreamDrafts {
  /// Where the index holds the job's last token, and how many of its tokens it holds.
  var place: DraftIndex.Place?
  var indexed = 0
  /// How often guesses were right lately.
  var trust = DraftTrust()

  /// What a drafter has read of the job's text; nil until it guesses for the job.
  var read: CachedTokens?
  /// Whether the drafter reads the text from its beginning, in several steps if it is long.
  var isToBeRead = false
  /// How often the drafter's guesses were right lately.
  var drafterTrust = DraftTrust(isDrafter: true)

  /// What was found in the index.
  var found = DraftIndex.Draft()
  /// What is guessed to follow in this step: what a drafter guessed, then what was found.
  private(set) var tokens: ArraySlice<Int> = []
  /// How sure the drafter was of each of its guesses.
  private var confidences: [Int] = []
  /// How many tokens agreed before what was found.
  private var match = 0
  /// Guesses of this step that were right, and that were looked at.
  private var right = 0
  private var checked = 0

  /// Tokens guessed so far, and those that were right.
  private(set) var drafted = 0
  private(set) var accepted = 0

  // MARK: Guesses

  /// Proposes one more guess of the drafter's.
  mutating func propose(_ guess: DraftModel.Guess) {
    tokens.append(guess.id)
    confidences.append(guess.confidence)
  }

  /// Proposes what was found, behind the drafter's guesses if there are some.
  mutating func propose(_ draft: DraftIndex.Draft) {
    tokens += draft.tokens
    match = draft.match
  }

  /// Keeps the first guesses, which are checked in this step.
  mutating func keep(_ count: Int) {
    tokens = tokens.prefix(count)
    drafted += tokens.count
  }

  /// The chance of each guess that it is right, and all before it.
  func chances(_ rates: DraftRates, _ drafter: DrafterRates) -> [Double] {
    var chances: [Double] = []
    var chance = 1.0
    for confidence in confidences {
      chance *= drafter.chance(confidence, drafterTrust)
      chances.append(chance)
    }
    let rest = tokens.count - confidences.count
    return chances + DraftRates.chain(rates.chances(match: match, trust), rest, behind: chance)
  }

  /// The chances of what was found.
  func foundChances(_ rates: DraftRates) -> [Double] {
    DraftRates.chain(rates.chances(match: found.match, trust), found.tokens.count)
  }

  /// Compares the next guess with the token that was drawn at its place. Returns whether it is right; false when there
  /// is none.
  mutating func check(_ id: Int) -> Bool {
    guard checked == right, right < tokens.count else { return false }
    checked += 1
    guard tokens[tokens.startIndex + right] == id else { return false }
    right += 1
    accepted += 1
    return true
  }

  /// Ends the step. Returns the guesses that were right.
  mutating func close(_ rates: inout DraftRates, _ drafter: inout DrafterRates) -> Int {
    for (place, confidence) in confidences.prefix(checked).enumerated() {
      drafter.learn(confidence, isRight: place < right, &drafterTrust)
    }
    let own = confidences.count
    if checked > own {
      rates.learn(match: match, accepted: right - own, checked: checked - own, &trust)
    }
    defer {
      (tokens, confidences, found) = ([], [], DraftIndex.Draft())
      (right, checked) = (0, 0)
    }
    return right
  }
}

/// What the jobs of one prompt guess from: the prompt, their own texts, and what came of the prompt before. The
/// engine's thread alone uses it.
struct PromptDrafts {
  /// Nil until guesses are wanted: a full batch never builds it.
  private(set) var index: DraftIndex?
  private var promptEnd: DraftIndex.Place?
  /// Texts of jobs that have ended, which the index does not hold yet: all their tokens, and from which on.
  private var ended: [(ids: [Int], from: Int, place: DraftIndex.Place?)] = []

  /// Builds the index of a prompt unless it is there.
  ///
  /// - Parameters:
  ///   - earlier: completions of the same prompt, the oldest first.
  ///   - prediction: what the caller expects.
  mutating func begin(prompt: ArraySlice<Int>, earlier: [[Int32]], prediction: [Int]) {
    guard index == nil else { return }
    var index = DraftIndex()
    promptEnd = index.append(prompt, after: nil)
    for text in earlier { index.append(text.lazy.map { Int($0) }, after: promptEnd) }
    index.append(prediction, after: promptEnd)
    self.index = index
  }

  /// Adds what a running job has drawn since the last call.
  mutating func follow(_ ids: [Int], promptCount: Int, _ stream: inout StreamDrafts) {
    guard index != nil else { return }
    addEnded(promptCount)
    if stream.indexed < promptCount { (stream.indexed, stream.place) = (promptCount, promptEnd) }
    if stream.indexed < ids.count {
      stream.place = index?.append(ids[stream.indexed...], after: stream.place)
      stream.indexed = ids.count
    }
  }

  /// Remembers a job that has ended, for the others of its prompt.
  mutating func end(_ ids: [Int], _ stream: StreamDrafts) {
    if stream.indexed < ids.count { ended.append((ids, stream.indexed, stream.place)) }
  }

  private mutating func addEnded(_ promptCount: Int) {
    for text in ended {
      let isNew = text.from < promptCount
      index?.append(text.ids[max(text.from, promptCount)...], after: isNew ? promptEnd : text.place)
    }
    ended = []
  }
}
