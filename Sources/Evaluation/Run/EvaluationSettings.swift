public import ModelFiles
public import Problems
public import TinaRuntime
import Support

/// What an evaluation depends on. Equal settings give equal completions, bit for bit.
public struct EvaluationSettings: Sendable {
  /// The benchmark's name.
  public let benchmark: String
  /// How its problems are asked.
  public let style: Benchmark.PromptStyle
  /// A digest of the problems' ids, texts, answers and system messages.
  public let problems: String
  /// The number of problems.
  public let problemCount: Int
  /// The chat template's name.
  public let template: String
  /// The system message, if there is one.
  public let system: String?
  /// Samples of each problem.
  public let samples: Int
  /// Tokens of a completion at most.
  public let maxTokens: Int
  /// How tokens are drawn, including the seed.
  public let sampling: SamplingParameters
  /// The type of cached keys and values; nil where a server does not tell it.
  public let cacheType: CacheType?
  /// What activations are rounded to; nil in evaluations from before this was kept.
  public let activations: ActivationType?
  /// The base's digest.
  public let base: String
  /// Name, digest and factor of each contestant.
  public let contestants: [(name: String, digest: String?, scale: Float)]
  /// The command that judges, with digests of its files; nil for Tina's own grader.
  public var grader: JSONObject?
  /// A server of another program, and what it calls the contestants; nil where digests say who answered.
  public let endpoint: (address: String, models: [String])?

  /// Makes settings.
  public init(
    benchmark: Benchmark, problems: [Problem], template: String, system: String?, samples: Int,
    maxTokens: Int,
    sampling: SamplingParameters, cacheType: CacheType?, activations: ActivationType?, base: String,
    contestants: [Contestant], endpoint: String? = nil, grader: JSONObject? = nil
  ) {
    self.grader = grader
    self.benchmark = benchmark.name
    style = benchmark.style
    self.problems = Digest.text(
      of: problems.flatMap {
        [$0.id, $0.text, $0.answer, $0.system].compactMap(\.self) + $0.earlier.map(\.text)
          + ($0.columns.map { [JSONValue.object($0).text()] } ?? [])
      })
    problemCount = problems.count
    self.template = template
    self.system = system
    self.samples = samples
    self.maxTokens = maxTokens
    self.sampling = sampling
    self.cacheType = cacheType
    self.activations = activations
    self.base = base
    self.contestants = contestants.map { ($0.name, $0.digest, $0.scale) }
    self.endpoint = endpoint.map { ($0, contestants.map { $0.model ?? $0.name }) }
  }

  /// The settings as an object, the same for the same settings.
  public var object: JSONObject {
    let activations: [(key: String, value: JSONValue)] =
      activations.map { [("activations", .string($0.rawValue))] } ?? []
    let grader: [(key: String, value: JSONValue)] = grader.map { [("grader", .object($0))] } ?? []
    let cache: [(key: String, value: JSONValue)] =
      cacheType.map { [("cache_type", .string($0.rawValue))] } ?? []
    let endpoint: [(key: String, value: JSONValue)] =
      endpoint.map { address, models in
        [("endpoint", .string(address)), ("models", .array(models.map { .string($0) }))]
      } ?? []
    return JSONObject(
      [
        ("benchmark", .string(benchmark)), ("prompt", .string(style.rawValue)),
        ("problems", .string(problems)),
        ("problem_count", JSONValue(problemCount)), ("template", .string(template)),
        ("system", system.map { .string($0) } ?? .null), ("samples", JSONValue(samples)),
        ("max_tokens", JSONValue(maxTokens)), ("temperature", .number("\(sampling.temperature)")),
        ("top_k", JSONValue(sampling.topK)), ("top_p", .number("\(sampling.topP)")),
        ("min_p", .number("\(sampling.minP)")), ("seed", .number(String(sampling.seed))),
      ] + cache + activations + endpoint + [
        ("base", .string(base)),
        (
          "contestants",
          .array(
            contestants.map { name, digest, scale in
              .object(
                JSONObject([
                  ("name", .string(name)), ("digest", digest.map { .string($0) } ?? .null),
                  ("scale", .number("\(scale)")),
                ]))
            })
        ),
      ] + grader)
  }

  /// Reads settings that ``object`` wrote.
  ///
  /// - Throws: `EvaluationError.badFile` naming the member that is missing or of another type.
  public init(_ saved: JSONObject, file: String) throws {
    func wrong(_ key: String, _ expected: String) -> EvaluationError {
      .badFile(file: file, place: quoted(key), found: saved[key]?.summary ?? "nothing", expected: expected)
    }
    func text(_ key: String) throws -> String {
      guard let value = saved[key]?.string else { throw wrong(key, "a text") }
      return value
    }
    func count(_ key: String, atLeast least: Int = 0) throws -> Int {
      guard let value = saved[key]?.int, value >= least else { throw wrong(key, "a number from \(least) up") }
      return value
    }
    func real(_ key: String) throws -> Float {
      guard let value = saved[key]?.double else { throw wrong(key, "a number") }
      return Float(value)
    }
    benchmark = try text("benchmark")
    guard let style = Benchmark.PromptStyle(rawValue: try text("prompt")) else {
      throw wrong("prompt", "plain, math or choice")
    }
    self.style = style
    problems = try text("problems")
    problemCount = try count("problem_count", atLeast: 1)
    template = try text("template")
    system = saved["system"]?.string
    samples = try count("samples", atLeast: 1)
    maxTokens = try count("max_tokens", atLeast: 1)
    guard case .number(let literal)? = saved["seed"], let seed = UInt64(literal) else {
      throw wrong("seed", "a whole number")
    }
    sampling = SamplingParameters(
      temperature: try real("temperature"), topK: try count("top_k"), topP: try real("top_p"),
      minP: try real("min_p"), seed: seed)
    cacheType = try saved["cache_type"].map { _ in
      guard let cacheType = CacheType(rawValue: try text("cache_type")) else {
        throw wrong("cache_type", "f16, f32 or bf16")
      }
      return cacheType
    }
    endpoint = try saved["endpoint"].map { _ in
      (try text("endpoint"), (saved["models"]?.array ?? []).compactMap(\.string))
    }
    activations = try saved["activations"].map { _ in
      guard let activations = ActivationType(rawValue: try text("activations")) else {
        throw wrong("activations", "int8, f32 or bf16")
      }
      return activations
    }
    base = try text("base")
    contestants = try (saved["contestants"]?.array ?? []).map { value in
      guard let name = value.object?["name"]?.string, let scale = value.object?["scale"]?.double else {
        throw wrong("contestants", "objects with name, digest and scale")
      }
      return (name, value.object?["digest"]?.string, Float(scale))
    }
    grader = try saved["grader"].map { value in
      guard let object = value.object else { throw wrong("grader", "an object") }
      return object
    }
  }

  /// A short name for these settings.
  public var digest: String { String(Digest.text(of: [JSONValue.object(object).text()]).prefix(12)) }

  /// The settings of a saved evaluation that differ from these, with both values.
  func differences(from saved: JSONObject) -> [String] {
    var object = object
    // What judged there and not here is a difference too.
    if grader == nil, saved["grader"] != nil { object = object.with("grader", .null) }
    return object.members.compactMap { key, value in
      let found = saved[key] ?? .null
      return found == value ? nil : "\(key): \(found.summary) there, \(value.summary) now"
    }
  }
}
