import Foundation

/// A completion, as rewards see it.
public struct RewardInput: Sendable {
  /// The completion's text, after the `<think>` that the prompt may end in.
  public let text: String
  /// The reference answer; nil if the data has none.
  public let gold: String?
  /// Number of tokens drawn.
  public let tokens: Int
  /// Whether the answer is right; nil if undecided.
  public let isCorrect: Bool?
  /// `stop` or `length`.
  public let finishReason: String

  /// Makes an input.
  public init(
    text: String, gold: String?, tokens: Int, isCorrect: Bool?, finishReason: String = "stop"
  ) {
    self.text = text
    self.gold = gold
    self.tokens = tokens
    self.isCorrect = isCorrect
    self.finishReason = finishReason
  }

  /// The text's length in Unicode scalars, as Python counts it.
  var length: Int { text.unicodeScalars.count }
}

/// A component of the reward, under the name that Tina's recipes use.
public enum RewardKind: String, Sendable, CaseIterable {
  case accuracy
  case format
  case tagCount = "tag_count"
  case length
  case cosine
  case reasoningSteps = "reasoning_steps"
  case repetitionPenalty = "repetition_penalty"
  case softOverlong = "soft_overlong_punishment"

  /// The name under which Tina logs it.
  public var loggedName: String {
    switch self {
    case .accuracy: "accuracy_reward"
    case .format: "format_reward"
    case .tagCount: "tag_count_reward"
    case .length: "len_reward"
    case .cosine: "cosine_scaled_reward"
    case .reasoningSteps: "reasoning_steps_reward"
    case .repetitionPenalty: "repetition_penalty_reward"
    case .softOverlong: "soft_overlong_punishment_reward"
    }
  }

  /// The value of a completion that has nothing to learn from it; nil for penalties, and where the group decides.
  var best: Double? {
    switch self {
    case .accuracy, .format, .tagCount, .reasoningSteps: 1
    case .length, .cosine, .repetitionPenalty, .softOverlong: nil
    }
  }

  /// Whether its value depends on the answer being right.
  var needsAnswer: Bool { self == .accuracy || self == .length || self == .cosine }
}

/// A component with its weight.
public struct WeightedReward: Sendable, Equatable {
  /// What recipes call it.
  public let name: String
  /// Which component; nil for a reward of one's own.
  public let kind: RewardKind?
  /// Its factor in the sum.
  public let weight: Double

  /// Makes a weighted component.
  public init(_ kind: RewardKind, weight: Double) {
    name = kind.rawValue
    self.kind = kind
    self.weight = weight
  }

  /// A reward of one's own.
  public init(own name: String, weight: Double) {
    self.name = name
    kind = nil
    self.weight = weight
  }

  /// The name under which it is logged.
  var loggedName: String { kind?.loggedName ?? name }
  /// Whether its value depends on the answer being right.
  var needsAnswer: Bool { kind?.needsAnswer ?? false }
}

/// The sum of weighted components over a group of completions of one prompt.
public struct RewardFunction: Sendable {
  /// The components in the recipe's order.
  public let components: [WeightedReward]
  /// Their numbers.
  public let settings: RewardSettings

  /// Makes a function.
  public init(_ components: [WeightedReward], settings: RewardSettings = RewardSettings()) {
    self.components = components
    self.settings = settings
  }

  /// The components' values, `[component][completion]`; nil where undecided.
  ///
  /// - Parameter own: those of rewards of one's own, in their order.
  public func values(_ group: [RewardInput], own: [[Double?]] = []) -> [[Double?]] {
    var next = own.makeIterator()
    return components.map { component in
      guard let kind = component.kind else { return next.next() ?? group.map { _ in nil } }
      return value(kind, group)
    }
  }

  /// The weighted sums over decided values; nil for a completion without any.
  public func totals(_ values: [[Double?]]) -> [Double?] {
    guard let count = values.first?.count else { return [] }
    return (0..<count).map { i in
      var sum = 0.0
      var isKnown = false
      for (component, row) in zip(components, values) {
        guard let value = row[i] else { continue }
        isKnown = true
        sum += component.weight * value
      }
      return isKnown ? sum : nil
    }
  }

  private func value(_ kind: RewardKind, _ group: [RewardInput]) -> [Double?] {
    switch kind {
    case .accuracy: group.map { $0.isCorrect.map { $0 ? 1 : 0 } }
    case .format: group.map { TextRewards.format($0.text) }
    case .tagCount: group.map { TextRewards.tagCount($0.text) }
    case .reasoningSteps: group.map { TextRewards.reasoningSteps($0.text) }
    case .repetitionPenalty:
      group.map {
        TextRewards.repetition(
          $0.text, n: settings.repetitionNGram, maxPenalty: settings.repetitionMaxPenalty)
      }
    case .length: lengths(group)
    case .cosine: group.map { cosine($0) }
    case .softOverlong: group.map { softOverlong($0.tokens) }
    }
  }

  /// Kimi 1.5's reward: within the group, short right answers earn most and long wrong ones least.
  private func lengths(_ group: [RewardInput]) -> [Double?] {
    let all = group.map(\.length)
    guard let low = all.min(), let high = all.max(), low < high else { return group.map { _ in 0 } }
    return zip(group, all).map { input, length in
      let value = 0.5 - Double(length - low) / Double(high - low)
      return input.isCorrect ?? true ? value : min(0, value)
    }
  }

  /// Right answers earn less the longer they are, and wrong ones more. An undecided answer earns 1.
  private func cosine(_ input: RewardInput) -> Double {
    guard let isCorrect = input.isCorrect else { return 1 }
    let c = cos(.pi * Double(input.length) / Double(settings.cosineMaxLength))
    // A short wrong answer earns the larger of its two values, as in the published code.
    let (low, high) =
      isCorrect
      ? (settings.cosineMinCorrect, settings.cosineMaxCorrect)
      : (settings.cosineMaxWrong, settings.cosineMinWrong)
    return low + 0.5 * (high - low) * (1 + c)
  }

  /// DAPO's punishment: 0 up to a margin before the limit, then falling to -1 at the limit.
  private func softOverlong(_ tokens: Int) -> Double {
    let start = settings.maxCompletionTokens - settings.softPunishTokens
    if tokens <= start { return 0 }
    return max(-1, Double(start - tokens) / Double(max(settings.softPunishTokens, 1)))
  }
}
