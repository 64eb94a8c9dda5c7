import ModelFiles
import Support

/// How far a run is, and what must not change when it continues: `state.json` of a checkpoint.
struct RunState {
  var step = 0
  var optimizerSteps = 0
  var passes: UInt32 = 0
  let recipe: String
  let data: String
  let base: String
  let seed: UInt64
  let rowLimit: Int
  /// Nil in checkpoints from before this was kept, which are of float32.
  let activations: Recipe.TrainedActivations?
  /// The content of the adapter that the run started from; nil if it started from nothing.
  let origin: String?
  /// Rewards of one's own with their weights; nil without any.
  let rewards: String?
  /// A digest of the files that reward commands name; nil without any.
  var rewardFiles: String?
  /// Problems asked so far, where groups are refilled; nil where the step tells them.
  var asked: Int?
  var skipped = 0
  var tokens = 0
  var spentSeconds = 0.0
  /// Floating-point operations, counted from shapes; nil in checkpoints from before they were counted.
  var flops: Double?
  /// What the seconds cost at the prices of their time; nil where no price was given.
  var dollars: Double?
  /// The digest of this state and of the matrices beside it, in hexadecimal; nil in checkpoints from before there was
  /// one, and before a checkpoint is saved.
  var digest: String?

  var json: JSONObject {
    let activations: [(key: String, value: JSONValue)] =
      activations.map { [("activations", .string($0.rawValue))] } ?? []
    let origin: [(key: String, value: JSONValue)] =
      origin.map { [("init_adapter_digest", .string($0))] } ?? []
    let rewards: [(key: String, value: JSONValue)] =
      [("own_rewards", self.rewards), ("reward_files_sha256", rewardFiles)].compactMap { key, text in
        text.map { (key, .string($0)) }
      }
    let asked: [(key: String, value: JSONValue)] = asked.map { [("asked_problems", JSONValue($0))] } ?? []
    let flops: [(key: String, value: JSONValue)] = flops.map { [("flops", JSONValue($0))] } ?? []
    let dollars: [(key: String, value: JSONValue)] = dollars.map { [("dollars", JSONValue($0))] } ?? []
    return JSONObject(
      [
        ("step", JSONValue(step)), ("optimizer_steps", JSONValue(optimizerSteps)),
        ("passes", JSONValue(Int(passes))), ("recipe_sha256", .string(recipe)),
        ("data_sha256", .string(data)),
        ("base_sha256", .string(base)), ("seed", .string("\(seed)")), ("row_limit", JSONValue(rowLimit)),
        ("skipped_steps", JSONValue(skipped)), ("tokens", JSONValue(tokens)),
        ("spent_seconds", JSONValue(spentSeconds)),
      ] + activations + origin + rewards + asked + flops + dollars)
  }

  /// What the run has taken so far, for the log.
  var costs: [(String, Double)] {
    [("flops/total", flops), ("dollars", dollars)].compactMap { name, value in value.map { (name, $0) } }
  }

  /// For another process: all that it needs to go on from here.
  var bytes: [UInt8] { Array(JSONValue.object(json).text().utf8) }

  /// What ``digest`` is for a checkpoint whose matrices have been hashed so far.
  func digest(after matrices: consuming Digest) -> String {
    matrices.update(bytes)
    return hexadecimal(matrices.finish())
  }

  /// From ``bytes``.
  init(reading bytes: [UInt8]) throws {
    guard let object = try JSON.parse(bytes, file: "state.json").object, let state = RunState(object) else {
      throw TrainerError(
        .checkpoint, place: "the first process's state", found: "missing members",
        expected: "the state of a run", advice: "This is a defect of the program; please report it.")
    }
    self = state
  }

  /// Nil when a member is missing or has another type.
  init?(_ object: JSONObject) {
    guard let step = object["step"]?.int, let optimizerSteps = object["optimizer_steps"]?.int,
      let passes = object["passes"]?.int.flatMap({ UInt32(exactly: $0) }),
      let recipe = object["recipe_sha256"]?.string, let data = object["data_sha256"]?.string,
      let base = object["base_sha256"]?.string, let seed = object["seed"]?.string.flatMap({ UInt64($0) }),
      let rowLimit = object["row_limit"]?.int, let skipped = object["skipped_steps"]?.int,
      let tokens = object["tokens"]?.int, let spentSeconds = object["spent_seconds"]?.double
    else { return nil }
    var activations: Recipe.TrainedActivations?
    if let value = object["activations"] {
      guard let type = value.string.flatMap(Recipe.TrainedActivations.init(rawValue:)) else { return nil }
      activations = type
    }
    self.init(
      recipe: recipe, data: data, base: base, seed: seed, rowLimit: rowLimit, activations: activations,
      origin: object["init_adapter_digest"]?.string, rewards: object["own_rewards"]?.string,
      rewardFiles: object["reward_files_sha256"]?.string)
    asked = object["asked_problems"]?.int
    (flops, dollars) = (object["flops"]?.double, object["dollars"]?.double)
    (self.step, self.optimizerSteps, self.passes) = (step, optimizerSteps, passes)
    (self.skipped, self.tokens, self.spentSeconds) = (skipped, tokens, spentSeconds)
    digest = object["sha256"]?.string
  }

  init(
    recipe: String, data: String, base: String, seed: UInt64, rowLimit: Int,
    activations: Recipe.TrainedActivations?, origin: String? = nil, flops: Double? = nil,
    rewards: String? = nil, rewardFiles: String? = nil
  ) {
    (self.origin, self.flops) = (origin, flops)
    (self.rewards, self.rewardFiles) = (rewards, rewardFiles)
    (self.recipe, self.data, self.base, self.seed, self.rowLimit) = (recipe, data, base, seed, rowLimit)
    self.activations = activations
  }

  /// - Throws: ``TrainerError`` when this state, found in `folder`, belongs to another run than `other`.
  func check(against other: RunState, folder: String) throws(TrainerError) {
    let (mine, theirs) = (activations ?? .f32, other.activations ?? .f32)
    guard mine == theirs else {
      throw TrainerError(
        .checkpoint, place: folder, found: "a run with \(mine.rawValue) activations",
        expected: "\(theirs.rawValue), as this run is to have",
        advice: "Their rounding decides what was sampled and learnt. Go on with the recipe's activations:"
          + " \(mine.rawValue), or name another folder with --output.")
    }
    let pairs = [
      ("recipe", recipe, other.recipe), ("data set", data, other.data), ("base", base, other.base),
      ("seed", "\(seed)", "\(other.seed)"),
      ("adapter to start from", origin ?? "none", other.origin ?? "none"),
      ("reward of its own", rewards ?? "none", other.rewards ?? "none"),
    ]
    for (what, found, expected) in pairs where found != expected {
      throw TrainerError(
        .checkpoint, place: folder, found: "a run of another \(what) (\(found.prefix(12)))",
        expected: "this one (\(expected.prefix(12)))", advice: "Name another folder with --output.")
    }
  }
}
