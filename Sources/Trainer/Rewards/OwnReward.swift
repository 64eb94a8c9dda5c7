import Judging
public import ModelFiles

/// The completions of one problem, as rewards of one's own see them.
public struct RewardGroup: Sendable {
  /// What was asked, without the template.
  public let prompt: String
  /// The right answer; nil if the data has none.
  public let answer: String?
  /// All members of the problem's record.
  public let columns: JSONObject?
  /// The completions, in the order of their samples.
  public let completions: [RewardInput]

  /// Makes a group.
  public init(prompt: String, answer: String?, columns: JSONObject? = nil, completions: [RewardInput]) {
    self.prompt = prompt
    self.answer = answer
    self.columns = columns
    self.completions = completions
  }
}

/// A reward that a program brings along.
///
/// Groups are valued as they end, and that order differs from run to run. So a value may depend on its group alone, or
/// else a run that is stopped and resumed ends in other bytes.
public protocol Reward: Sendable {
  /// What metrics and messages call it: letters, digits and `_`.
  var name: String { get }
  /// Whether it reads ``RewardInput/isCorrect``.
  var needsVerdicts: Bool { get }
  /// The value of each completion of a group, nil where it has none. An error ends the run before its step.
  func values(_ group: RewardGroup) async throws -> [Double?]
}

extension Reward {
  /// Verdicts are not computed unless a reward says so.
  public var needsVerdicts: Bool { false }
}

/// A reward of a program's own with its weight.
public struct OwnReward: Sendable {
  /// What is computed.
  public let reward: any Reward
  /// Its factor in the sum.
  public let weight: Double

  /// Makes a weighted reward.
  public init(_ reward: any Reward, weight: Double = 1) {
    self.reward = reward
    self.weight = weight
  }
}

/// A reward that the process of a command computes.
struct CommandReward: Reward {
  let judge: Judge

  var name: String { judge.command.name }

  func values(_ group: RewardGroup) async throws -> [Double?] {
    do {
      return try await judge.values(group.judged)
    } catch {
      throw TrainerError(judging: error, name)
    }
  }
}

extension RewardGroup {
  /// The completions as commands read them.
  var judged: [JudgedCompletion] {
    completions.map {
      JudgedCompletion(
        prompt: prompt, completion: $0.text, answer: answer, finishReason: $0.finishReason,
        tokens: $0.tokens, columns: columns)
    }
  }
}

extension TrainerError {
  /// Why a command has no value for a group.
  init(judging error: any Error, _ name: String) {
    if let error = error as? JudgeError {
      self = error.restated(TrainerErrorKind.reward)
    } else {
      self.init(
        .reward, place: "command " + name, found: "that it was told to end", expected: "values for a group")
    }
  }
}

extension Recipe {
  /// The same recipe with the rewards of a program's own behind the others.
  ///
  /// - Throws: ``TrainerError`` for a name that is none or taken, and for a weight that is no number.
  func adding(_ own: [OwnReward]) throws(TrainerError) -> Recipe {
    var recipe = self
    for (reward, weight) in own.map({ ($0.reward, $0.weight) }) {
      func bad(_ found: String, _ expected: String) -> TrainerError {
        TrainerError(.reward, place: "reward " + printable(reward.name), found: found, expected: expected)
      }
      guard method == .grpo else { throw bad("it with method: sft", "rewards with GRPO alone") }
      guard (try? JudgeCommand(name: reward.name, ["-"])) != nil, !Self.reservedNames.contains(reward.name)
      else { throw bad("this name", "letters, digits and _, and no name of another reward") }
      guard !recipe.rewards.contains(where: { $0.name == reward.name }) else {
        throw bad("the name twice", "each reward at most once")
      }
      guard abs(weight) <= 1e6 else { throw bad("the weight \(weight)", "a number up to a million") }
      recipe.rewards.append(WeightedReward(own: reward.name, weight: weight))
    }
    return recipe
  }

  /// What computes the rewards of one's own, in the order of the components.
  func ownRewards(_ judges: [Judge], _ program: [OwnReward]) -> [any Reward] {
    let all: [any Reward] = judges.map { CommandReward(judge: $0) } + program.map(\.reward)
    return rewards.filter { $0.kind == nil }.compactMap { component in
      all.first { $0.name == component.name }
    }
  }

  /// Names of the rewards that are there, and those under which they are logged.
  static let reservedNames = Set(RewardKind.allCases.flatMap { [$0.rawValue, $0.loggedName] })
}
