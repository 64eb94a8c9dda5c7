import Foundation
import ModelFiles

/// What a person should know of a run that would fail without a word: each remark once, with numbers and what to try.
struct RunAdvice {
  /// What a remark is about.
  enum Kind: String, CaseIterable {
    case learningRate = "learning_rate"
    case rank
    case flatGroups = "flat_groups"
    case stillReward = "still_reward"
  }

  /// A remark.
  struct Note: Equatable {
    let kind: Kind
    /// The step after which it was made; 0 before the first.
    let step: Int
    let text: String
  }

  /// No number of the adapter moves much further than the sum of a run's learning rates. At its best checkpoint, that
  /// sum was 0.00036 in the paper's best run.
  static let leastTravel = 2.5e-4
  /// An adapter holds about two bits a parameter; a token that counts tells about a bit, and so does a completion's
  /// reward. Beyond this many times, rank is time and memory alone.
  static let largestExcess = 10_000.0
  /// The share of groups of one reward, in ``flatSteps`` steps in a row, at which a run learns from few of them.
  static let flatShare = 0.75
  static let flatSteps = 10
  /// Steps after which a reward should have moved, unless half of the run comes first.
  static let patience = 100
  /// No trend shows in fewer.
  static let leastPatience = 40

  private let rate: Double
  private let totalSteps: Int
  private let refillsGroups: Bool
  private(set) var made: Set<Kind> = []
  private var flatShares: [Double] = []
  private var rewards: [Double] = []
  private var nextLook: Int

  init(_ recipe: Recipe, totalSteps: Int) {
    rate = recipe.optimizer.learningRate
    self.totalSteps = totalSteps
    refillsGroups = recipe.refillsGroups
    nextLook = max(Self.leastPatience, min(Self.patience, totalSteps / 2))
  }

  /// Remarks that were made before do not come again.
  mutating func skip(_ kind: Kind) { made.insert(kind) }

  // MARK: Before the first step

  /// - Parameters:
  ///   - recipe: the recipe.
  ///   - schedule: how its learning rate goes.
  ///   - adapter: the adapter's rank and its number of parameters.
  ///   - told: what the run's data tell: tokens that count, or completions.
  mutating func beforeTheRun(
    _ recipe: Recipe, _ schedule: LearningRateSchedule, adapter: (rank: Int, parameters: Int), told: Int
  ) -> [Note] {
    let travel = (0..<min(totalSteps, 1 << 20)).reduce(0) { $0 + rate * schedule.share($1) }
    var notes: [Note] = []
    // Four times the least, and not beyond what LoRA bears.
    let advised = min(Self.rounded(rate * max(10, 4 * Self.leastTravel / max(travel, rate))), 1e-3)
    if rate > 0, travel < Self.leastTravel, advised > rate, made.insert(.learningRate).inserted {
      notes.append(
        Note(
          kind: .learningRate, step: 0,
          text: String(
            format:
              "learning_rate %g over %ld steps moves no number of the adapter by more than %.1g. LoRA needs about "
              + "ten times the rate of full training, and short schedules more: try learning_rate: %.0e, or more steps",
            rate, totalSteps, travel, advised)))
    }
    let capacity = 2 * Double(adapter.parameters)
    let excess = capacity / Double(max(told, 1))
    if adapter.rank > 1, excess > Self.largestExcess, made.insert(.rank).inserted {
      let enough = max(1, Int(Double(adapter.rank) * Self.largestExcess / excess))
      var rank = 1
      while 2 * rank <= enough { rank *= 2 }
      let unit = recipe.method == .sft ? "tokens that count" : "completions"
      notes.append(
        Note(
          kind: .rank, step: 0,
          text: String(
            format:
              "rank %ld gives the adapter room for about %.2g bits, %.0f times what %ld %@ can tell (about a bit "
              + "each). A smaller one learns as much in less time and memory: try lora_r: %ld, the scale kept",
            adapter.rank, capacity, excess, told, unit, rank)))
    }
    return notes
  }

  /// The nearest 1, 2 or 5 times a power of ten, not below.
  private static func rounded(_ value: Double) -> Double {
    let power = pow(10, log10(value).rounded(.down))
    return power * ([1, 2, 5].first { $0 * power >= value * 0.999 } ?? 10)
  }

  // MARK: After each step

  /// - Parameters:
  ///   - step: the step.
  ///   - values: its numbers in the log.
  mutating func after(_ step: Int, _ values: [String: Double]) -> [Note] {
    guard let reward = values["reward"], let flat = values["frac_reward_zero_std"] else { return [] }
    rewards.append(reward)
    flatShares.append(flat)
    return [flatGroups(step), stillReward(step)].compactMap(\.self)
  }

  private mutating func flatGroups(_ step: Int) -> Note? {
    let recent = flatShares.suffix(Self.flatSteps)
    // With refilled groups the share is what no problem could mend.
    guard !refillsGroups, recent.count == Self.flatSteps else { return nil }
    let share = Self.mean(recent)
    guard share > Self.flatShare, made.insert(.flatGroups).inserted else { return nil }
    return Note(
      kind: .flatGroups, step: step,
      text: String(
        format:
          "in the last %ld steps %.0f %% of the groups earned one reward for all completions (%.2f on average), "
          + "and taught nothing. Try problems that are right now and then, more num_generations, a higher "
          + "temperature, or dynamic_sampling: true",
        Self.flatSteps, 100 * share, Self.mean(rewards.suffix(Self.flatSteps))))
  }

  private mutating func stillReward(_ step: Int) -> Note? {
    guard step >= nextLook, !made.contains(.stillReward) else { return nil }
    nextLook = 2 * step
    let width = rewards.count / 4
    guard width >= Self.leastPatience / 4 else { return nil }
    let (first, last) = (rewards.prefix(width), rewards.suffix(width))
    let noise = ((Self.variance(first) + Self.variance(last)) / Double(width)).squareRoot()
    let gain = Self.mean(last) - Self.mean(first)
    guard gain <= noise else { return nil }
    made.insert(.stillReward)
    return Note(
      kind: .stillReward, step: step,
      text: String(
        format:
          "the reward was %.3f in the first %ld steps and %.3f in the last %ld: no gain beyond its noise "
          + "(± %.3f). Try learning_rate: %.0e, more completions a step, or rewards that tell good answers from bad "
          + "ones",
        Self.mean(first), width, Self.mean(last), width, noise, Self.rounded(3 * rate)))
  }

  private static func mean(_ values: ArraySlice<Double>) -> Double {
    values.reduce(0, +) / Double(max(values.count, 1))
  }

  private static func variance(_ values: ArraySlice<Double>) -> Double {
    let mean = mean(values)
    return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(values.count - 1, 1))
  }
}

extension RunAdvice.Note {
  /// A line of `notes.jsonl`.
  var json: JSONObject {
    JSONObject([
      ("step", JSONValue(step)), ("kind", .string(kind.rawValue)), ("note", .string(text)),
    ])
  }
}
