import ModelFiles
import TinaRuntime
import Tokenization

/// The logits of the merged model beside those of the base with its adapters attached, on some short texts.
///
/// Each probe is continued greedily by the attached form; both forms then see the same tokens, so the first
/// position whose likeliest token differs is where their greedy texts part.
public struct LogitCheck: Sendable, Equatable {
  /// What one probe showed.
  public struct Probe: Sendable, Equatable {
    /// The text; empty if the model has no tokenizer and the ids are made up.
    public let text: String
    /// Prompt and continuation.
    public let ids: [Int]
    /// How many of them are the prompt.
    public let promptCount: Int
    /// Where in the continuation, counted from 0, the likeliest token first differs; nil if nowhere.
    public let firstDifference: Int?
  }

  /// The probes.
  public private(set) var probes: [Probe] = []
  /// The largest |difference| of a logit.
  public private(set) var maxDifference = 0.0
  /// The distance from the least to the greatest logit of the attached form.
  public private(set) var range = 0.0
  /// The mean over positions of the divergence of the merged distribution from the attached one, in nats.
  public private(set) var meanDivergence = 0.0
  /// The largest over positions.
  public private(set) var maxDivergence = 0.0
  /// Number of positions.
  public private(set) var positions = 0
  /// Whether the merged logits are finite.
  public private(set) var isFinite = true

  /// ``maxDifference`` relative to ``range``.
  public var relativeDifference: Double { range > 0 ? maxDifference / range : maxDifference }

  /// Texts that are used if none are given.
  static let texts = ["What is 12 + 3 * 4? <think>\n", "The capital of France is"]

  /// Runs the probes.
  ///
  /// - Parameters:
  ///   - base: the base that `attached` is attached to.
  ///   - merged: opens the model that was written; beside the first passes of the base, since it may have to be read
  ///     from the disk.
  ///   - texts: probes; ``texts`` if empty.
  ///   - tokens: tokens that each is continued by.
  init(
    base: Model, attached: AttachedAdapter, merged: @escaping @Sendable () throws -> Model, texts: [String],
    tokens: Int
  ) async throws {
    let opening = Task.detached { try merged() }
    let prompts = try Self.prompts(base, texts.isEmpty ? Self.texts : texts)
    // Keys and values in float32: what differs then is the weights alone.
    let engine = Engine(model: base, cacheType: .f32)
    let running = try prompts.map { prompt in
      try engine.generate(
        GenerationRequest(
          prompt: prompt.ids, adapter: attached, sampling: SamplingParameters(temperature: 0, seed: 0),
          maxTokens: tokens))
    }
    var sequences: [(ids: [Int], logits: [Float])] = []
    for (prompt, completion) in zip(prompts, running) {
      let ids = prompt.ids + (try await completion.collect().ids)
      sequences.append((ids, try engine.logits(tokens: Array(ids.dropLast()), adapter: attached)))
    }
    let other = Engine(model: try await opening.value, cacheType: .f32)
    var divergence = 0.0
    for (prompt, (ids, expected)) in zip(prompts, sequences) {
      let found = try other.logits(tokens: Array(ids.dropLast()))
      let count = ids.count - 1
      let vocabulary = expected.count / count
      var firstDifference: Int?
      for position in 0..<count {
        let row = position * vocabulary..<(position + 1) * vocabulary
        let comparison = Self.compare(expected[row], found[row])
        isFinite = isFinite && comparison.divergence.isFinite && comparison.difference.isFinite
        maxDifference = max(maxDifference, comparison.difference)
        range = max(range, comparison.range)
        divergence += comparison.divergence
        maxDivergence = max(maxDivergence, comparison.divergence)
        if position + 1 >= prompt.ids.count, firstDifference == nil, comparison.best != ids[position + 1] {
          firstDifference = position + 1 - prompt.ids.count
        }
      }
      positions += count
      probes.append(
        Probe(
          text: prompt.text, ids: ids, promptCount: prompt.ids.count, firstDifference: firstDifference))
    }
    meanDivergence = divergence / Double(max(positions, 1))
  }

  private static func prompts(_ base: Model, _ texts: [String]) throws -> [(text: String, ids: [Int])] {
    let vocabulary = base.config.vocabSize
    guard let tokenizer = try? Tokenizer(directory: base.directory.path) else {
      return texts.indices.map { i in
        ("", (0..<12).map { (i * 7919 + $0 * 104_729 + 17) % vocabulary })
      }
    }
    return texts.map { ($0, tokenizer.encode($0).filter { $0 < vocabulary }) }.filter { !$0.1.isEmpty }
  }

  /// One position: the divergence Σ p · (ln p − ln q) with p of the attached form.
  static func compare(
    _ expected: ArraySlice<Float>, _ found: ArraySlice<Float>
  ) -> (difference: Double, range: Double, divergence: Double, best: Int) {
    var (low, high, foundHigh) = (Float.infinity, -Float.infinity, -Float.infinity)
    var difference: Float = 0
    var best = found.startIndex
    var isFinite = true
    for (i, j) in zip(expected.indices, found.indices) {
      low = min(low, expected[i])
      high = max(high, expected[i])
      isFinite = isFinite && found[j].isFinite
      difference = max(difference, abs(expected[i] - found[j]))
      if found[j] > foundHigh { (foundHigh, best) = (found[j], j) }
    }
    guard isFinite else { return (.infinity, Double(high - low), .infinity, best - found.startIndex) }
    var (sum, foundSum, weighted) = (0.0, 0.0, 0.0)
    for (i, j) in zip(expected.indices, found.indices) {
      // Beyond this the terms are below a double's last digit.
      let p = Double(expected[i] - high)
      let q = Double(found[j] - foundHigh)
      let e = p < -60 ? 0 : exponential(p)
      sum += e
      foundSum += q < -60 ? 0 : exponential(q)
      weighted += e * (p - q)
    }
    let divergence = weighted / sum - logarithm(sum) + logarithm(foundSum)
    return (Double(difference), Double(high - low), max(divergence, 0), best - found.startIndex)
  }
}
