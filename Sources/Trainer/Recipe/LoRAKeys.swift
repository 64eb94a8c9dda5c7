import ModelFiles
import Support

extension LoRASettings {
  /// Ranks that an adapter's pair may have.
  static let ranks = 1...1024

  mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    rank = try reader.integer("lora_r") ?? rank
    alpha = try reader.number("lora_alpha") ?? alpha
    dropout = try reader.number("lora_dropout") ?? dropout
    targets = try reader.words("lora_target_modules") ?? targets
    if targets == ["all-linear"] { targets = LoRASettings().targets }
    isRankStabilised = try reader.flag("use_rslora") ?? isRankStabilised
    if let found = try reader.numbers("layers_to_transform", 0...1e6) {
      guard found.allSatisfy({ $0.rounded() == $0 }), Set(found).count == found.count, !found.isEmpty else {
        throw reader.error(
          "layers_to_transform", found: found.map { "\($0)" }.joined(separator: ", "),
          expected: "the numbers of layers, each once, counted from 0")
      }
      layers = found.map { Int($0) }.sorted()
    }
    rankPatterns = try reader.patterns("rank_pattern", 1...1024)
    for rule in rankPatterns where rule.value.rounded() != rule.value {
      throw reader.error("rank_pattern: " + rule.pattern, found: "\(rule.value)", expected: "a whole number")
    }
    alphaPatterns = try reader.patterns("alpha_pattern", 1e-6...1e6)
    try readInitialisation(&reader)
    try check(reader.error)
  }

  private mutating func readInitialisation(_ reader: inout RecipeReader) throws(TrainerError) {
    let key = "init_lora_weights"
    guard let text = try reader.text(key) else { return }
    switch text.lowercased() {
    case "true", "yes": initialisation = .uniform
    case "gaussian": initialisation = .gaussian
    case "pissa": initialisation = .pissa
    case let name where name.hasPrefix("pissa_niter"):
      throw reader.error(
        key, found: text, expected: "pissa",
        advice: "It is the exact decomposition, which pissa_niter approximates by random numbers.")
    case let name where ["olora", "corda", "loftq", "eva", "orthogonal", "lora_ga"].contains(name):
      throw reader.error(
        key, found: text, expected: "true, gaussian or pissa", advice: "\(text) is not built.")
    default:
      throw reader.error(
        key, found: text, expected: "true, gaussian or pissa",
        advice: Nearest.advice(text, Initialisation.allCases.map(\.rawValue)))
    }
    guard initialisation == .pissa else { return }
    let largest = max(Double(rank), rankPatterns.map(\.value).max() ?? 0)
    guard 2 * Int(largest) <= Self.ranks.upperBound else {
      throw reader.error(
        "lora_r", found: "\(Int(largest)) with init_lora_weights: pissa",
        expected: "at most \(Self.ranks.upperBound / 2)",
        advice: "The adapter is stored with twice the rank: what it learnt, and what it began with.")
    }
    guard dropout == 0 else {
      throw reader.error(
        "lora_dropout", found: "\(dropout) with init_lora_weights: pissa", expected: "0",
        advice:
          "Write lora_dropout: 0. Dropping inputs of the base's strongest components would disturb what the base "
          + "knows; PiSSA's authors train without.")
    }
  }

  /// - Parameter bad: makes the error from key, found, expected and advice.
  /// - Throws: ``TrainerError`` for unknown targets and numbers out of range.
  func check(
    _ bad: (String, String, String, String) -> TrainerError = {
      TrainerError(.recipe, place: $0, found: $1, expected: $2, advice: $3)
    }
  ) throws(TrainerError) {
    guard Self.ranks.contains(rank) else { throw bad("lora_r", "\(rank)", "1 to 1024", "") }
    guard alpha > 0, alpha <= 1e6 else {
      throw bad("lora_alpha", "\(alpha)", "a number above 0, at most 1000000", "")
    }
    guard dropout >= 0, dropout <= 0.99 else { throw bad("lora_dropout", "\(dropout)", "0 to 0.99", "") }
    for target in targets where !Self.names.contains(target) {
      throw bad(
        "lora_target_modules", String(target.prefix(100)),
        "all-linear, or some of " + Self.names.joined(separator: ", "),
        Nearest.advice(target, Self.names))
    }
    guard !targets.isEmpty else { throw bad("lora_target_modules", "no name", "at least one", "") }
    guard Set(targets).count == targets.count else {
      throw bad("lora_target_modules", "a name twice", "each name once", "")
    }
  }
}
