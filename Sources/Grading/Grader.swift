/// Decides whether the answer in a prediction is the gold answer. A value: use one grader from as many threads as you
/// like.
public struct Grader: Sendable {
  /// The conventions.
  public let options: GradingOptions

  /// - Parameter options: the conventions; the documented ones by default.
  public init(options: GradingOptions = GradingOptions()) { self.options = options }

  /// A gold answer, read once to grade many predictions.
  public struct PreparedGold: Sendable {
    /// The answer as it was found in the text given.
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
      if let fast = FastNumber(candidate.text) {
        text = candidate.text
        _ = fast
        return true
      }
      do {
        let found = try Readings.of(candidate.text, Budget(options.maxSteps))
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
    let answer = text ?? gold.trimmed(\.isWhitespace)
    let fast = FastNumber(answer)
    if readings.isEmpty, fast != nil || text == nil {
      do { readings = try Readings.of(answer, Budget(options.maxSteps)).expressions } catch let failure
        as GradingError
      {
        error = failure
      } catch {}
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
      return Verdict(
        outcome: chosen == letter ? .equal : .different, extracted: String(chosen),
        why: chosen == letter ? "Both are the choice \(letter)." : "The choice is \(chosen), not \(letter).")
    }
    var verdict: Verdict?
    var unreadable: (text: String, error: GradingError)?
    extraction.forEachCandidate(isGold: false) { candidate in
      switch judge(candidate, gold) {
      case .success(let found):
        verdict = found
        return true
      case .failure(let error):
        if unreadable == nil || candidate.kind == .boxed { unreadable = (candidate.text, error) }
        // What was boxed is the answer, readable or not; so is a text that was too much work.
        return candidate.kind == .boxed || error == .outOfSteps || error == .tooDeep || error == .tooLarge
          || candidate.isFormula
      }
    }
    if let verdict { return verdict }
    guard let unreadable else {
      return Verdict(outcome: .different, extracted: nil, why: "The prediction contains no answer.")
    }
    switch unreadable.error {
    case .outOfSteps:
      return Verdict(
        outcome: .undecided, extracted: Self.short(unreadable.text),
        why: "The bound of \(options.maxSteps) steps was reached.")
    case .tooLarge:
      return Verdict(
        outcome: .undecided, extracted: Self.short(unreadable.text),
        why: "The numbers are too large to compute.")
    case .tooDeep:
      return Verdict(
        outcome: .undecided, extracted: Self.short(unreadable.text),
        why: "The answer nests deeper than \(Parser.maxDepth) levels.")
    default:
      return Verdict(
        outcome: .different, extracted: Self.short(unreadable.text),
        why: "The answer is neither the same text nor mathematics that could be read.")
    }
  }

  private static func short(_ text: String) -> String {
    text.utf8.count <= 1000 ? text : String(text.prefix(1000)) + "…"
  }

  private func judge(_ candidate: Extraction.Candidate, _ gold: PreparedGold) -> Result<Verdict, GradingError>
  {
    let text = candidate.text
    func verdict(_ outcome: Verdict.Outcome, _ why: String) -> Result<Verdict, GradingError> {
      .success(Verdict(outcome: outcome, extracted: Self.short(text), why: why))
    }
    if let a = gold.fast, let b = FastNumber(text) {
      if a == b { return verdict(.equal, "Both are the same number.") }
      if !a.hasPoint && !b.hasPoint { return verdict(.different, "The numbers differ.") }
    }
    if text.utf8.allSatisfy({ $0 <= 32 }) { return .failure(.malformed("nothing")) }
    let isLong = text.utf8.count > 8000
    if let letter = gold.choice {
      if let chosen = TextAnswers.leadingChoice(text) {
        return chosen == letter
          ? verdict(.equal, "Both are the choice \(letter).")
          : verdict(.different, "The choice is \(chosen), not \(letter).")
      }
    }
    if !isLong, TextAnswers.areSame(gold.text, text) { return verdict(.equal, "Both are the same text.") }
    let budget = Budget(options.maxSteps)
    do {
      if text.utf8.count > 16_000 { throw GradingError.outOfSteps }
      let read = try Readings.of(text, budget)
      if read.hasProse, candidate.kind != .boxed, candidate.kind != .hashes {
        throw GradingError.malformed("prose")
      }
      if let error = gold.error {
        switch error {
        case .outOfSteps, .tooDeep, .tooLarge:
          return verdict(.undecided, "The gold answer is too much work to read.")
        default:
          return verdict(
            .different, "The gold answer is no mathematics that could be read, and the texts differ.")
        }
      }
      return try compare(gold.readings, read.expressions, budget, verdict)
    } catch let error as GradingError {
      return .failure(error)
    } catch {
      return .failure(.malformed("\(error)"))
    }
  }

  private func compare(
    _ gold: [Expression], _ prediction: [Expression], _ budget: Budget,
    _ verdict: (Verdict.Outcome, String) -> Result<Verdict, GradingError>
  ) throws -> Result<Verdict, GradingError> {
    let comparison = Comparison(options: options, budget: budget)
    var first: Comparison.Finding?
    for a in gold {
      for b in prediction {
        let finding = try comparison.compare(a, b)
        if case .equal(let why) = finding { return verdict(.equal, Self.sentence(why)) }
        if first == nil || finding.isUndecided { first = finding }
      }
    }
    switch first {
    case .undecided(let why): return verdict(.undecided, Self.sentence(why))
    case .different(let why): return verdict(.different, Self.sentence(why))
    default: return verdict(.different, "The gold answer could not be read.")
    }
  }

  private static func sentence(_ text: String) -> String {
    text.prefix(1).uppercased() + text.dropFirst() + (text.hasSuffix(".") ? "" : ".")
  }
}
