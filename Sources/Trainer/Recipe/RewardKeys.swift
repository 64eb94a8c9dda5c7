import Judging
import ModelFiles
import Yams

/// Which rewards there are, their weights, and the commands among them.
extension Recipe {
  mutating func readRewards(_ reader: inout RecipeReader) throws(TrainerError) {
    try readCommands(&reader)
    let (key, weightKey) = try (
      reader.either("rl_post_train_reward_funcs", "reward_funcs"),
      reader.either("rl_post_train_reward_weights", "reward_weights")
    )
    var names = try reader.texts(key) ?? rewards.map(\.name)
    // Commands that the list does not name come behind it, so that a recipe may add one and nothing else.
    let commands = rewardCommands.map(\.name)
    names += commands.filter { !names.contains($0) }
    let weights = try reader.numbers(weightKey, -1e6...1e6) ?? names.map { _ in 1 }
    guard names.count == weights.count else {
      throw reader.error(
        weightKey, found: "\(weights.count) weights",
        expected: "\(names.count), one for each reward"
          + (commands.isEmpty ? "" : ": " + names.map { String($0.prefix(64)) }.joined(separator: ", ")))
    }
    guard !names.isEmpty else { throw reader.error(key, found: "no reward", expected: "at least one") }
    guard Set(names).count == names.count else {
      throw reader.error(key, found: "a reward twice", expected: "each reward at most once")
    }
    rewards = try zip(names, weights).map { (name, weight) throws(TrainerError) in
      if commands.contains(name) { return WeightedReward(own: name, weight: weight) }
      return WeightedReward(try reader.value(key, name), weight: weight)
    }
    try rewardSettings.read(&reader)
    rewardSettings.maxCompletionTokens = maxCompletionLength
  }

  private mutating func readCommands(_ reader: inout RecipeReader) throws(TrainerError) {
    let (key, limitKey, restartsKey) = ("reward_command", "reward_timeout", "reward_restarts")
    let found = try reader.commands(key)
    let limits = JudgeCommand.timeLimits
    let timeLimit = try reader.number(limitKey, limits)
    let restarts = try reader.integer(restartsKey, JudgeCommand.restartCounts)
    guard let found else {
      if timeLimit != nil || restarts != nil {
        throw reader.error(
          timeLimit != nil ? limitKey : restartsKey, found: "it without \(key)",
          expected: "a command that it is about")
      }
      return
    }
    for (name, arguments) in found {
      guard !Self.reservedNames.contains(name) else {
        throw reader.error(
          key, found: "the name of the reward \(name)", expected: "another name for a command")
      }
      do throws(JudgeError) {
        rewardCommands.append(
          try JudgeCommand(
            name: name, arguments, timeLimit: timeLimit ?? JudgeCommand.usualTimeLimit,
            restarts: restarts ?? JudgeCommand.usualRestarts))
      } catch {
        throw reader.error(
          key + ": " + printable(name, limit: 64), found: error.found, expected: error.expected,
          advice: error.advice)
      }
    }
  }
}

extension RecipeReader {
  /// The one of two names of a key that the recipe uses; the first if it uses none.
  fileprivate func either(_ first: String, _ second: String) throws(TrainerError) -> String {
    let used = [first, second].filter { key in values.contains { $0.key == key } }
    guard used.count < 2 else {
      throw error(second, found: "it and \(first)", expected: "one of the two: they mean the same")
    }
    return used.first ?? first
  }

  /// A command, which is called `command`, or several by their names; nil where the recipe lacks the key.
  fileprivate mutating func commands(
    _ key: String
  ) throws(TrainerError) -> [(name: String, arguments: [String])]? {
    guard let node = take(key) else { return nil }
    func bad(_ key: String, _ found: String) -> TrainerError {
      error(
        key, found: found, expected: "a list of a program and its arguments, or names with such lists",
        advice: "As in \(key): [python3, my_reward.py]. No shell reads it.")
    }
    func arguments(_ key: String, _ node: Node) throws(TrainerError) -> [String] {
      guard let sequence = node.sequence, sequence.count <= 1000 else {
        throw bad(key, node.scalar.map { printable($0.string, limit: 100) } ?? "something else")
      }
      return try sequence.map { (item) throws(TrainerError) in
        guard let scalar = item.scalar else { throw bad(key, "a list within the list") }
        return scalar.string
      }
    }
    guard let mapping = node.mapping else { return [("command", try arguments(key, node))] }
    guard (1...16).contains(mapping.count) else { throw bad(key, "\(mapping.count) commands, of 16 at most") }
    var result: [(String, [String])] = []
    for (name, value) in mapping {
      guard let name = name.string else { throw bad(key, "a name that is no text") }
      result.append((name, try arguments(key + ": " + printable(name, limit: 64), value)))
    }
    return result
  }
}
