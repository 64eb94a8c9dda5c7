import ModelFiles
import Support

/// The settings in a PEFT `adapter_config.json`, its faults, and its reasons against applying the adapter.
struct PEFTSettings {
  let object: JSONObject
  /// Whether it configures LoRA. Nothing more is checked of other kinds.
  private(set) var isLoRA = false
  /// What makes the file unreadable: scales and ranks that it does not tell.
  private(set) var faults: [AdapterError.Violation] = []
  /// What prevents applying the adapter, but not reading it: unsupported mathematics, unknown keys.
  private(set) var obstacles: [AdapterError.Violation] = []
  var rank = 8
  var alpha = 8.0
  var usesRSLoRA = false
  /// Whether every pair has magnitudes.
  private(set) var usesDoRA = false
  /// Names of the modules that the file replaces as a whole.
  private(set) var modulesToSave: [String] = []
  /// Whether the file holds biases of the base.
  private(set) var changesBiases = false
  /// Whether PEFT applies what changes the embedding to a tied head too, and the other way round.
  private(set) var tiesWeights = false
  var baseModelName: String?
  /// Names that modules must end in; nil if a pattern selects them.
  var targetNames: [String]?
  var targetPattern: ModulePattern?
  /// What ``targetNames`` holds, by bytes.
  private var targets: Set<ByteName> = []
  private var rankPattern: [(ModulePattern, Double)] = []
  private var alphaPattern: [(ModulePattern, Double)] = []
  let file: String
  /// Steps of all patterns so far.
  private var patternCost = 0

  /// Reads a configuration.
  ///
  /// - Parameter file: its path, for messages.
  init(_ object: JSONObject, file: String) {
    self.object = object
    self.file = file
    isLoRA = checkKind()
    guard isLoRA else { return }
    for (key, value) in object.members where !value.isNull { check(key, value) }
    readScale()
    readTargets()
  }

  private func violation(
    _ kind: AdapterError.Kind, _ key: String, expected: String, advice: String = ""
  ) -> AdapterError.Violation {
    .init(
      kind, file: file, place: "key " + quoted(key), found: object[key]?.summary ?? "nothing",
      expected: expected, advice: advice)
  }

  private mutating func checkKind() -> Bool {
    if object["peft_type"]?.word == "LORA" { return true }
    let name = object["peft_type"]?.string
    faults.append(
      violation(
        name.map { .unsupported($0) } ?? .badValue, "peft_type", expected: "\"LORA\"",
        advice: "Only LoRA adapters are read."))
    return false
  }

  /// Keys that do not affect what the adapter computes.
  private static let silent: Set<String> = [
    "peft_type", "task_type", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode",
    "peft_version", "runtime_config", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern",
    "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "lora_dropout",
    "init_lora_weights", "megatron_config", "megatron_core", "loftq_config", "eva_config", "corda_config",
    "lora_ga_config", "velora_config", "qalora_group_size", "merge_weights",
    "lora_dtype", "lorap_lr_ratio", "lorap_emb_lr",
  ]

  /// Keys that change the mathematics unless their value is neutral, and their meaning.
  private static let features: [String: String] = [
    "lora_bias": "biases in the low-rank pairs",
    "layer_replication": "layers of the base, repeated",
    "target_parameters": "pairs on parameters that are no linear layers",
    "use_qalora": "pooled inputs (QA-LoRA)",
    "use_bdlora": "block-diagonal matrices (BD-LoRA)",
    "trainable_token_indices": "single rows of the embedding, replaced",
    "fan_in_fan_out": "weights stored transposed (Conv1D of GPT-2)",
    "alora_invocation_tokens": "an adapter that acts only after certain tokens (aLoRA)",
    "enable_lora": "fused projections in part (MergedLinear of PEFT 0.2)",
    "arrow_config": "routing between adapters (Arrow)",
    "monteclora_config": "sampled adapters (MonteCLoRA)",
    "kasa_config": "singular values of the base, changed (KaSA)",
  ]

  private mutating func check(_ key: String, _ value: JSONValue) {
    if key == "init_lora_weights" {
      checkInitialisation(value)
    } else if let expected = Self.contents[key] {
      if !take(key, value) { obstacles.append(violation(.unsupported(key), key, expected: expected)) }
    } else if let meaning = Self.features[key] {
      if !Self.isNeutral(value) {
        obstacles.append(
          violation(
            .unsupported(key), key, expected: "a neutral value: it means \(meaning), which is not done",
            advice: "This kind of adapter cannot be applied here; merge it with PEFT."))
      }
    } else if !Self.silent.contains(key), !Self.isNeutral(value) {
      obstacles.append(
        violation(
          .unknownKey, key, expected: "a key of LoRA: this one is not known and may change the result",
          advice: "Remove the key if it is known to change nothing."))
    }
  }

  /// Keys that say what else the file holds, and the values that are known.
  private static let contents = [
    "use_dora": "true or false", "modules_to_save": "a list of module names",
    "bias": "\"none\", \"all\" or \"lora_only\"", "ensure_weight_tying": "true or false",
  ]

  /// Takes the value of one of ``contents``; false if it is not known.
  private mutating func take(_ key: String, _ value: JSONValue) -> Bool {
    switch key {
    case "use_dora": usesDoRA = value.bool == true
    case "ensure_weight_tying": tiesWeights = value.bool == true
    case "modules_to_save":
      modulesToSave = value.array?.compactMap(\.string) ?? []
      return value.array?.count == modulesToSave.count && modulesToSave.count <= 20_000
    default:
      changesBiases = value.word != "none"
      return ["none", "all", "lora_only"].contains(value.word)
    }
    return value.bool != nil
  }

  private static func isNeutral(_ value: JSONValue) -> Bool {
    switch value {
    case .null: true
    case .bool(let flag): !flag
    case .string(let text): text.isEmpty
    case .array(let values): values.isEmpty
    case .object(let object): object.keys.isEmpty
    case .number: false
    }
  }

  private mutating func checkInitialisation(_ value: JSONValue) {
    let key = "init_lora_weights"
    // These leave the base as it is.
    if value.bool != nil || ["gaussian", "eva", "orthogonal"].contains(value.word) { return }
    let name = value.word ?? value.summary
    let changesBase =
      name.hasPrefix("pissa") || ["olora", "corda", "lora_ga", "loftq"].contains(name)
    obstacles.append(
      violation(
        changesBase ? .unsupported(name) : .badValue, key,
        expected: "true, false, \"gaussian\", \"eva\" or \"orthogonal\""
          + (changesBase ? ": this one changed the base's weights" : ""),
        advice: changesBase
          ? "Save it again with PEFT's path_initial_model_for_weight_conversion." : ""))
  }

  private mutating func readScale() {
    baseModelName = object["base_model_name_or_path"]?.string
    if let value = object["r"], !value.isNull {
      if let r = value.int, (1...65536).contains(r) {
        rank = r
      } else {
        faults.append(violation(.badValue, "r", expected: "a whole number from 1 to 65536"))
      }
    }
    if let value = object["lora_alpha"], !value.isNull {
      if let number = value.double, Float(number).isFinite {
        alpha = number
      } else {
        faults.append(violation(.badValue, "lora_alpha", expected: "a number"))
      }
    }
    if let value = object["use_rslora"], !value.isNull {
      if let flag = value.bool {
        usesRSLoRA = flag
      } else {
        faults.append(violation(.badValue, "use_rslora", expected: "true or false"))
      }
    }
    rankPattern = readPatterns("rank_pattern") { $0.int.map { Double($0) } }
      .filter { (_, rank) in rank >= 1 && rank <= 65536 }
    alphaPattern = readPatterns("alpha_pattern") { $0.double }
  }

  private mutating func readPatterns(
    _ key: String, _ number: (JSONValue) -> Double?
  ) -> [(ModulePattern, Double)] {
    guard let value = object[key], !value.isNull else { return [] }
    guard let patterns = value.object, patterns.keys.count <= 20_000 else {
      faults.append(
        violation(.badValue, key, expected: "an object of at most 20,000 patterns and numbers"))
      return []
    }
    var result: [(ModulePattern, Double)] = []
    for (pattern, value) in patterns.members {
      let place = "key \(quoted(key)), pattern \(quoted(pattern))"
      guard let number = number(value), key != "rank_pattern" || (1...65536).contains(number),
        Float(number).isFinite
      else {
        faults.append(
          .init(
            .badValue, file: file, place: place, found: value.summary,
            expected: key == "rank_pattern" ? "a whole number from 1 to 65536" : "a number"))
        continue
      }
      do throws(ModulePattern.Unsupported) {
        let pattern = try ModulePattern(pattern, .suffix, memory: patternMemory)
        patternCost += pattern.cost
        guard patternCost <= ModulePattern.maximumTotalCost else {
          throw ModulePattern.Unsupported(
            reason: "patterns of more than \(ModulePattern.maximumTotalCost) steps together")
        }
        result.append((pattern, number))
      } catch {
        faults.append(
          .init(
            .badValue, file: file, place: place, found: printable(error.reason),
            expected: "a simple regular expression"))
        // Errors list no more than these, and refusing a pattern may take long.
        if faults.count >= 100 || patternCost > ModulePattern.maximumTotalCost { break }
      }
    }
    return result
  }

  /// The share of each pattern in the memory for all patterns, 256 MiB.
  private var patternMemory: Int {
    let count = ["rank_pattern", "alpha_pattern"].reduce(0) { $0 + (object[$1]?.object?.keys.count ?? 0) }
    return min(1 << 20, (1 << 28) / max(count, 1))
  }

  private mutating func readTargets() {
    let expected = "a list of module names, or a pattern"
    switch object["target_modules"] {
    case .array(let values)?:
      let names = values.compactMap { $0.string }
      guard names.count == values.count, !names.isEmpty, names.count <= 20_000 else { break }
      targetNames = names
      targets = Set(names.map { ByteName($0) })
      return
    case .string(let pattern)?:
      if pattern.isSame(as: "all-linear") { return }
      do throws(ModulePattern.Unsupported) {
        targetPattern = try ModulePattern(pattern, .whole)
      } catch {
        obstacles.append(
          .init(
            .badValue, file: file, place: "key \"target_modules\"", found: printable(error.reason),
            expected: expected))
      }
      return
    default: break
    }
    obstacles.append(violation(.badValue, "target_modules", expected: expected))
  }

  /// A path and what follows each of its dots: what a target can name.
  private static func endings(of path: String) -> [String] {
    [path]
      + path.utf8.indices.filter { path.utf8[$0] == UInt8(ascii: ".") }.map {
        String(path[path.utf8.index(after: $0)...])
      }
  }

  /// Drops the patterns, with a fault, where comparing all of them with all paths would take too long.
  mutating func boundWork(paths: some Collection<String>) {
    let bytes = paths.reduce(paths.count) { $0 + $1.utf8.count }
    let costs = (rankPattern + alphaPattern).reduce(targetPattern?.matchingCost ?? 0) {
      $0 + $1.0.matchingCost
    }
    let (work, overflow) = bytes.multipliedReportingOverflow(by: costs)
    guard overflow || work > ModulePattern.maximumWork else { return }
    (rankPattern, alphaPattern, targetPattern) = ([], [], nil)
    faults.append(
      .init(
        .badValue, file: file, place: "keys \"rank_pattern\", \"alpha_pattern\" and \"target_modules\"",
        found: "patterns and modules that take more than \(ModulePattern.maximumWork) steps to compare",
        expected: "fewer or simpler patterns", advice: "Write a module's whole name as its pattern."))
  }

  /// Whether the configuration targets a module; true if it names no targets.
  func isTarget(_ path: String) -> Bool {
    if let targetPattern { return targetPattern.matches(path) }
    return targetNames == nil || Self.endings(of: path).contains { targets.contains(ByteName($0)) }
  }

  /// Rank of a module: of the first pattern that matches its path, else `r`.
  func rank(of path: String) -> Int {
    rankPattern.first { $0.0.matches(path) }.map { Int($0.1) } ?? rank
  }

  /// Alpha of a module: of the first pattern that matches its path, else `lora_alpha`.
  func alpha(of path: String) -> Double {
    alphaPattern.first { $0.0.matches(path) }?.1 ?? alpha
  }

  /// The ids of `trainable_token_indices` for an embedding; empty if the configuration does not tell them.
  func tokenIDs(of path: String) -> [Int] {
    guard let value = object["trainable_token_indices"] else { return [] }
    if let list = value.array { return list.compactMap(\.int) }
    let member = value.object.flatMap { object in Self.endings(of: path).lazy.compactMap { object[$0] }.first
    }
    return member?.array?.compactMap(\.int) ?? []
  }

  /// The factor of B·A, computed in double precision and rounded once.
  func scale(rank: Int, alpha: Double) -> Float {
    Float(usesRSLoRA ? alpha / Double(rank).squareRoot() : alpha / Double(rank))
  }
}

extension AdapterArchive {
  /// What ``configuration`` says, if it is PEFT's.
  func peftSettings(file: String) -> PEFTSettings? {
    guard let peftConfiguration else { return nil }
    var settings = PEFTSettings(peftConfiguration, file: file)
    settings.boundWork(paths: entries.map(\.path))
    return settings
  }
}
