public import Grading
public import ModelFiles
public import Problems
import TinaRuntime

/// The result of an evaluation.
public struct Summary: Sendable {
  /// The result of one contestant.
  public struct Row: Sendable {
    /// The contestant's name.
    public let name: String
    /// Pass@1 with its uncertainty over problems and samples.
    public let passAt1: Estimate
    /// The standard error over new samples of the same problems; nil with one sample.
    public let samplingError: Double?
    /// pass@k for k = 1, 2, 4, … up to the number of samples.
    public let passAtK: [(k: Int, value: Double)]
    /// Share of problems whose most frequent answer is right; nil with one sample.
    public let majority: Double?
    /// Share of completions cut off by the limit of tokens.
    public let truncated: Double
    /// Share of completions whose thinking ends in the right form.
    public let wellFormed: Double
    /// Share of completions in which no answer was found.
    public let withoutAnswer: Double
    /// Undecided completions, which count as not right.
    public let undecided: Int
    /// Tokens of a completion, on average.
    public let meanTokens: Double
    /// Tokens of all completions.
    public let tokens: Int
  }

  /// One row per contestant, in their order.
  public let rows: [Row]
  /// Each pair of contestants: the second against the first.
  public let comparisons: [(first: String, second: String, comparison: PairedComparison)]
  /// What was evaluated and how.
  public let settings: EvaluationSettings

  /// Summarises the completions of an evaluation.
  ///
  /// - Parameters:
  ///   - records: of every contestant, problem and sample, in that order.
  ///   - settings: what was evaluated and how.
  ///   - problems: what was asked.
  ///   - grader: compares the answers of a majority vote.
  public init(
    _ records: [CompletionRecord], settings: EvaluationSettings, problems: [Problem], grader: Grader
  ) {
    self.settings = settings
    var byContestant: [String: [CompletionRecord]] = [:]
    for record in records { byContestant[record.key.contestant, default: []].append(record) }
    var rows: [Row] = []
    var scores: [(name: String, correct: [[Double]])] = []
    for contestant in settings.contestants {
      let own = byContestant[contestant.name] ?? []
      let groups = stride(from: 0, to: own.count, by: settings.samples).map {
        Array(own[$0..<min($0 + settings.samples, own.count)])
      }
      let correct = groups.map { $0.map { $0.correct == true ? 1.0 : 0.0 } }
      scores.append((contestant.name, correct))
      rows.append(Self.row(contestant.name, own, groups, correct, settings, grader))
    }
    self.rows = rows
    comparisons = scores.indices.flatMap { i in
      scores.indices.dropFirst(i + 1).map { j in
        (
          scores[i].name, scores[j].name,
          PairedComparison(first: scores[i].correct, second: scores[j].correct, seed: settings.sampling.seed)
        )
      }
    }
  }

  private static func row(
    _ name: String, _ records: [CompletionRecord], _ groups: [[CompletionRecord]], _ correct: [[Double]],
    _ settings: EvaluationSettings, _ grader: Grader
  ) -> Row {
    let count = Double(max(records.count, 1))
    func share(_ isCounted: (CompletionRecord) -> Bool) -> Double {
      Double(records.count(where: isCounted)) / count
    }
    let counts = correct.map { (n: $0.count, c: Int($0.reduce(0, +))) }
    let powers = sequence(first: 1) { $0 * 2 }.prefix { $0 < settings.samples } + [settings.samples]
    let tokens = records.reduce(0) { $0 + $1.tokens }
    return Row(
      name: name, passAt1: Statistics.passAt1Estimate(correct, seed: settings.sampling.seed),
      samplingError: Statistics.samplingError(correct),
      passAtK: powers.compactMap { k in Statistics.passAt(k, counts).map { (k, $0) } },
      majority: settings.samples > 1
        ? Statistics.mean(groups.map { MajorityVote(grader: grader).score($0) }) : nil,
      truncated: share { $0.finishReason == "length" }, wellFormed: share(\.isWellFormed),
      withoutAnswer: share { $0.extracted == nil }, undecided: records.count { $0.correct == nil },
      meanTokens: Double(tokens) / count, tokens: tokens)
  }

  /// The summary as an object. It holds no timings: the same completions give the same object.
  public var object: JSONObject {
    func number(_ value: Double?) -> JSONValue {
      value.map { JSONValue(($0 * 1e6).rounded() / 1e6) } ?? .null
    }
    let contestants = rows.map { row in
      JSONValue.object(
        JSONObject([
          ("name", .string(row.name)), ("pass_at_1", number(row.passAt1.value)),
          ("standard_error", number(row.passAt1.standardError)),
          ("interval_95", .array([number(row.passAt1.low), number(row.passAt1.high)])),
          ("sampling_error", number(row.samplingError)),
          (
            "pass_at_k", .object(JSONObject(row.passAtK.map { (String($0.k), number($0.value)) }))
          ),
          ("majority", number(row.majority)), ("truncated", number(row.truncated)),
          ("format", number(row.wellFormed)), ("without_answer", number(row.withoutAnswer)),
          ("undecided", JSONValue(row.undecided)), ("mean_tokens", number(row.meanTokens)),
          ("tokens", JSONValue(row.tokens)),
        ]))
    }
    let pairs = comparisons.map { first, second, comparison in
      JSONValue.object(
        JSONObject([
          ("first", .string(first)), ("second", .string(second)),
          ("difference", number(comparison.difference.value)),
          ("interval_95", .array([number(comparison.difference.low), number(comparison.difference.high)])),
          ("verdict", .string(comparison.verdict.rawValue)), ("remedy", .string(comparison.remedy.text)),
        ]))
    }
    return JSONObject([
      ("settings", .object(settings.object)), ("grader_version", JSONValue(graderVersion)),
      ("contestants", .array(contestants)), ("comparisons", .array(pairs)),
    ])
  }
}

extension PairedComparison.Remedy {
  /// The remedy in words; empty when nothing is needed.
  public var text: String {
    switch self {
    case .none: ""
    case .samples(let count): "about \(count) samples a problem would decide"
    case .problems(let count): "samples would not decide; about \(count) problems of this kind would"
    case .unknown: "no difference was observed"
    }
  }
}
