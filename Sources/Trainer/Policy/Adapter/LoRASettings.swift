import ModelFiles
import Support
import TinaRuntime

/// The shape of the adapter that is trained.
public struct LoRASettings: Sendable, Equatable {
  /// Inner dimension of each pair.
  public var rank: Int
  /// The scale is `alpha / rank`.
  public var alpha: Double
  /// Probability of dropping an element of a module's input; at most 0.99.
  public var dropout: Double
  /// Names of the targeted projections, as PEFT has them: `q_proj`, ..., `down_proj`.
  public var targets: [String]

  /// Tina's settings by default.
  public init(
    rank: Int = 32, alpha: Double = 128, dropout: Double = 0.05,
    targets: [String] = ["q_proj", "k_proj", "v_proj", "o_proj", "down_proj", "up_proj", "gate_proj"]
  ) {
    self.rank = rank
    self.alpha = alpha
    self.dropout = dropout
    self.targets = targets
  }

  mutating func read(_ reader: inout RecipeReader) throws(TrainerError) {
    rank = try reader.integer("lora_r") ?? rank
    alpha = try reader.number("lora_alpha") ?? alpha
    dropout = try reader.number("lora_dropout") ?? dropout
    targets = try reader.texts("lora_target_modules") ?? targets
    try check(reader.error)
  }

  /// - Parameter bad: makes the error from key, found, expected and advice.
  /// - Throws: ``TrainerError`` for unknown targets and numbers out of range.
  func check(
    _ bad: (String, String, String, String) -> TrainerError = {
      TrainerError(.recipe, place: $0, found: $1, expected: $2, advice: $3)
    }
  ) throws(TrainerError) {
    guard (1...1024).contains(rank) else { throw bad("lora_r", "\(rank)", "1 to 1024", "") }
    guard alpha > 0, alpha <= 1e6 else {
      throw bad("lora_alpha", "\(alpha)", "a number above 0, at most 1000000", "")
    }
    guard dropout >= 0, dropout <= 0.99 else { throw bad("lora_dropout", "\(dropout)", "0 to 0.99", "") }
    for target in targets where !Self.names.contains(target) {
      throw bad(
        "lora_target_modules", String(target.prefix(100)), "some of " + Self.names.joined(separator: ", "),
        Nearest.advice(target, Self.names))
    }
    guard !targets.isEmpty else { throw bad("lora_target_modules", "no name", "at least one", "") }
    guard Set(targets).count == targets.count else {
      throw bad("lora_target_modules", "a name twice", "each name once", "")
    }
  }

  /// The names that targets may have.
  static let names = Projection.allCases.map(\.name)

  /// The targeted maps, in the order in which they are stored.
  var projections: [Projection] { Projection.allCases.filter { targets.contains($0.name) } }
}
