/// The version of the rules by which answers are judged; results name it.
public let graderVersion = 3

/// Decides whether the answer in a prediction is the gold answer. Any number of threads may share one grader.
public struct Grader: Sendable {
  /// The conventions of equality.
  public let options: GradingOptions

  /// - Parameter options: the conventions; by default those of the documentation.
  public init(options: GradingOptions = GradingOptions()) { self.options = options }

  /// A gold answer, read once to grade many predictions.
  public struct PreparedGold: Sendable {
    /// The answer that was found in the given text.
    public let text: String
    fileprivate let fast: FastNumber?
    fileprivate let choice: Character?
    fileprivate let readings: [Expression]
    fileprivate let error: GradingError?
  }

  /// Reads a gold answer: mathematics, words, a letter, a solution with `\boxed{}`, or GSM8K's "#### 42".
  public func prepare(gold: String) -> PreparedGold {
    var text: String?
    var readings: [Expression] = []
    var error: GradingError?
    Extraction(gold, options).forEachCandidate(isGold: true) { candidate in
      if FastNumber(candidate.text) != nil {
        text = candidate.text
        return true
      }
      do {
        let found = try Readings.of(candidate.text, isGold: true, Budget(options.maxSteps))
        if found.hasProse, candidate.kind != .boxed, candidate.kind != .hashes { return false }
        text = candidate.text
        readings = found.expressions
        error = nil
        return true
      } catch {
        if candidate.kind == .boxed { text = text ?? candidate.text }
        return candidate.isFormula
      }
    }
    let answer = text ?? Extraction.string(TextFolding.folded(gold)[...])
    let fast = FastNumber(answer)
    if readings.isEmpty, fast != nil || text == nil {
      do {
        readings = try Readings.of(answer, isGold: true, Budget(options.maxSteps)).expressions
      } catch let failure {
        error = failure as? GradingError
      }
    }
    return PreparedGold(
      text: answer, fast: fast, choice: TextAnswers.choice(answer),
      readings: readings, error: error)
  }

  /// Grades one prediction.
  public func grade(gold: String, prediction: String) -> Verdict {
    grade(prepare(gold: gold), prediction: prediction)
  }

  /// Grades one prediction against a gold answer that was read before.
  public func grade(_ gold: PreparedGold, prediction: String) -> Verdict {
    guard prediction.utf8.contains(where: { $0 > 32 }) else {
      return Verdict(outcome: .different, extracted: nil, why: "The prediction is empty.")
    }
    if gold.text.isEmpty {
      return Verdict(outcome: .undecided, extracted: nil, why: "The gold answer is empty.")
    }
    let extraction = Extraction(prediction, options)
    if let letter = gold.choice, let chosen = extraction.chosenLetter {
      return Self.verdict(chosen, letter, extracted: String(chosen))
    }
    var verdict: Verdict?
    var unreadable: (text: String, error: GradingError)?
    extraction.forEachCandidate(isGold: false) { candidate in
      do {
        verdict = try judge(candidate, gold)
        return true
      } catch {
        let error = error as? GradingError ?? .malformed("\(error)")
        if unreadable == nil || candidate.kind == .boxed { unreadable = (candidate.text, error) }
        // A box is the answer, readable or not, and so is a text that is too much work.
        return candidate.kind == .boxed || error.isTooMuchWork || candidate.isFormula
      }
    }
    if let verdict { return verdict }
    guard let unreadable else {
      return Verdict(outcome: .different, extracted: nil, why: "The prediction contains no answer.")
    }
    let (outcome, why): (Verdict.Outcome, String) =
      switch unreadable.error {
      case .outOfSteps: (.undecided, "The bound of \(options.maxSteps) steps was reached.")
      case .tooLarge: (.undecided, "The numbers are too large to compute.")
      case .tooDeep: (.undecided, "The answer nests deeper than \(Parser.maxDepth) levels.")
      default:
        (.different, "The answer is neither the same text nor mathematics that could be read.")
      }
    return Verdict(outcome: outcome, extracted: Self.short(unreadable.text), why: why)
  }

  private static func verdict(_ chosen: Character, _ letter: Character, extracted: String)
    -> Verdict
  {
    chosen == letter
      ? Verdict(outcome: .equal, extracted: extracted, why: "Both are the choice \(letter).")
      : Verdict(
        outcome: .different, extracted: extracted, why: "The choice is \(chosen), not \(letter).")
  }

  private static func short(_ text: String) -> String {
    text.utf8.count <= 1000 ? text : String(text.unicodeScalars.prefix(1000)) + "…"
  }

  private func judge(_ candidate: Extraction.Candidate, _ gold: PreparedGold) throws -> Verdict {
    let text = candidate.text
    func verdict(_ outcome: Verdict.Outcome, _ why: String) -> Verdict {
      Verdict(outcome: outcome, extracted: Self.short(text), why: Self.sentence(why))
    }
    if let a = gold.fast, let b = FastNumber(text) {
      if a == b { return verdict(.equal, "both are the same number") }
      if !a.hasPoint && !b.hasPoint { return verdict(.different, "the numbers differ") }
    }
    if text.utf8.allSatisfy({ $0 <= 32 }) { throw GradingError.malformed("nothing") }
    if let letter = gold.choice, let chosen = TextAnswers.leadingChoice(text) {
      return Self.verdict(chosen, letter, extracted: Self.short(text))
    }
    if text.utf8.count <= 8000, TextAnswers.areSame(gold.text, text) {
      return verdict(.equal, "both are the same text")
    }
    let budget = Budget(options.maxSteps)
    let read = try Readings.of(text, isGold: false, budget)
    if read.hasProse, candidate.kind != .boxed, candidate.kind != .hashes {
      throw GradingError.malformed("prose")
    }
    if let error = gold.error {
      return error.isTooMuchWork
        ? verdict(.undecided, "the gold answer is too much work to read")
        : verdict(.different, "the gold answer is no mathematics that could be read, and the texts differ")
    }
    return switch try compare(gold.readings, read.expressions, budget) {
    case .equal(let why): verdict(.equal, why)
    case .different(let why): verdict(.different, why)
    case .undecided(let why): verdict(.undecided, why)
    }
  }

  /// Equal if any two readings are, else undecided if any comparison is.
  private func compare(
    _ gold: [Expression], _ prediction: [Expression], _ budget: Budget
  ) throws -> AnswerComparison.Finding {
    let comparison = AnswerComparison(options: options, budget: budget)
    var first: AnswerComparison.Finding?
    for a in gold {
      for b in prediction {
        let finding = try comparison.compare(a, b)
        if finding.isEqual { return finding }
        if first == nil || finding.isUndecided { first = finding }
      }
    }
    return first ?? .different("the gold answer could not be read")
  }

  private static func sentence(_ text: String) -> String {
    text.prefix(1).uppercased() + text.dropFirst() + (text.hasSuffix(".") ? "" : ".")
  }
}
