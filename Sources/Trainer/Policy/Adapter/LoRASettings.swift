import AdapterFormat
import ModelFiles
import Support
import TinaRuntime

/// The shape of the adapter that is trained.
public struct LoRASettings: Sendable, Equatable {
  /// Inner dimension of each pair.
  public var rank: Int
  /// The scale is `alpha / rank`, or `alpha / √rank` with rsLoRA.
  public var alpha: Double
  /// Probability of dropping an element of a module's input; at most 0.99.
  public var dropout: Double
  /// Names of the targeted projections, as PEFT has them: `q_proj`, ..., `down_proj`.
  public var targets: [String]
  /// `use_rslora`: whether the scale is `alpha / √rank`.
  public var isRankStabilised = false
  /// `layers_to_transform`: the layers with an adapter, ascending; all when nil.
  public var layers: [Int]?
  /// `rank_pattern`: ranks of modules that a pattern names, instead of ``rank``.
  public var rankPatterns: [PatternValue] = []
  /// `alpha_pattern`: alphas of modules that a pattern names, instead of ``alpha``.
  public var alphaPatterns: [PatternValue] = []
  /// `init_lora_weights`: how the matrices begin.
  public var initialisation = Initialisation.uniform

  /// A number for the modules whose paths end in what a pattern matches.
  public struct PatternValue: Sendable, Equatable {
    /// PEFT's pattern, a regular expression over the end of a module's path.
    public let pattern: String
    /// The number.
    public let value: Double

    /// Makes a rule.
    public init(_ pattern: String, _ value: Double) {
      self.pattern = pattern
      self.value = value
    }
  }

  /// How the matrices begin. B is zero, but with PiSSA.
  public enum Initialisation: String, Sendable, CaseIterable {
    /// Uniform on (-1/√in, 1/√in), as PEFT draws it.
    case uniform = "true"
    /// Normal with the deviation 1 / rank.
    case gaussian
    /// PiSSA: A and B are the base's strongest components, which a frozen half of the pair takes out again.
    case pissa
  }

  /// The settings that state what is stored: with PiSSA's frozen half, a plain adapter of twice the rank, whose alphas
  /// give the same scales.
  var stored: LoRASettings {
    guard initialisation == .pissa else { return self }
    var stored = self
    let factor = isRankStabilised ? 2.0.squareRoot() : 2
    stored.rank *= 2
    stored.alpha *= factor
    stored.rankPatterns = rankPatterns.map { PatternValue($0.pattern, 2 * $0.value) }
    stored.alphaPatterns = alphaPatterns.map { PatternValue($0.pattern, factor * $0.value) }
    stored.initialisation = .uniform
    return stored
  }

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

  /// The names that targets may have.
  static let names = Projection.allCases.map(\.name)

  /// The targeted maps, in the order in which they are stored.
  var projections: [Projection] { Projection.allCases.filter { targets.contains($0.name) } }

  /// The modules of an adapter for `config`, by layer and then in the order q, k, v, o, gate, up, down.
  ///
  /// - Throws: ``TrainerError`` for unknown targets, layers that the base lacks, and numbers out of range.
  func modules(for config: Architecture) throws(TrainerError) -> [TrainedModule] {
    try check()
    if let last = layers?.last, last >= config.layerCount {
      throw Self.error(
        "layers_to_transform", "\(last)", "layers below \(config.layerCount), the base's number")
    }
    let (ranks, alphas) = (
      try Patterns("rank_pattern", rankPatterns), try Patterns("alpha_pattern", alphaPatterns)
    )
    var modules: [TrainedModule] = []
    for layer in layers ?? Array(0..<config.layerCount) {
      for projection in projections {
        let path = "model." + projection.module(layer: layer)
        let rank = ranks[path].map { Int($0) } ?? rank
        let alpha = alphas[path] ?? alpha
        let divisor = isRankStabilised ? Double(rank).squareRoot() : Double(rank)
        let isPrincipal = initialisation == .pissa
        let (out, input) = projection.shape(config)
        guard !isPrincipal || rank <= min(out, input) else {
          throw Self.error(
            "lora_r", "\(rank) for \(projection.module(layer: layer)), a matrix of \(out) × \(input)",
            "at most \(min(out, input)), since init_lora_weights: pissa takes as many singular vectors")
        }
        modules.append(
          TrainedModule(
            layer: layer, projection: projection, rank: isPrincipal ? 2 * rank : rank,
            alpha: isPrincipal ? alpha * (isRankStabilised ? 2.0.squareRoot() : 2) : alpha,
            scale: Float(alpha / divisor), origin: isRankStabilised ? .alphaOverRootRank : .alphaOverRank,
            frozenRank: isPrincipal ? rank : 0))
      }
    }
    if let unused = ranks.unused(by: modules) ?? alphas.unused(by: modules) {
      throw Self.error(
        unused.key, "\(quoted(unused.pattern)), which matches no trained module",
        "the end of a module's path, such as layers.0.self_attn.q_proj or q_proj")
    }
    return modules
  }

  private static func error(_ key: String, _ found: String, _ expected: String) -> TrainerError {
    TrainerError(.recipe, place: key, found: found, expected: expected)
  }

  /// Compiled patterns; the first that matches a path decides, as in PEFT.
  private struct Patterns {
    let key: String
    let rules: [(text: String, pattern: ModulePattern, value: Double)]

    init(_ key: String, _ values: [PatternValue]) throws(TrainerError) {
      self.key = key
      rules = try values.map { (rule) throws(TrainerError) in
        do throws(ModulePattern.Unsupported) {
          return (rule.pattern, try ModulePattern(rule.pattern, .suffix), rule.value)
        } catch {
          throw LoRASettings.error(
            key, "\(quoted(rule.pattern)): \(error.reason)", "a pattern without look-around and references")
        }
      }
    }

    subscript(path: String) -> Double? { rules.first { $0.pattern.matches(path) }?.value }

    /// The first pattern that no module's path matches.
    func unused(by modules: [TrainedModule]) -> (key: String, pattern: String)? {
      rules.first { rule in !modules.contains { rule.pattern.matches("model." + $0.name) } }
        .map { (key, $0.text) }
    }
  }
}
