/// The completions of one step, in the micro-batches over which token losses are averaged.
///
/// Completions stand in the order of their groups. A micro-batch may hold several groups, or a part of one.
struct MicroBatches {
  /// Number of micro-batches of the step.
  let count: Int
  private let size: Int
  private let weights: LossWeights
  /// The step's completions, as places in the generation.
  private let places: Range<Int>
  /// Where each group begins.
  private let starts: [Int]

  /// - Parameter part: which part of the generation the step learns from, from 0.
  init(_ generation: Generation, _ settings: UpdateSettings, part: Int) {
    let flat = generation.sequences.flatMap { $0 }
    let width = (flat.count + settings.parts - 1) / settings.parts
    let places = min(part * width, flat.count)..<min((part + 1) * width, flat.count)
    let size = settings.batchSize
    let microBatches = stride(from: places.lowerBound, to: places.upperBound, by: size).map {
      Array(flat[$0..<min($0 + size, places.upperBound)])
    }
    // As TRL does: the tokens of the whole generation, by the step's share of it.
    let tokens = Double(flat.reduce(0) { $0 + $1.tokens }) / Double(settings.parts)
    weights = LossWeights(microBatches, settings.loss, stepTokens: tokens)
    var start = 0
    starts =
      generation.sequences.map { group in
        defer { start += group.count }
        return start
      } + [flat.count]
    (self.places, self.size, count) = (places, size, microBatches.count)
  }

  /// The micro-batch of a group's completion.
  func microBatch(_ group: Int, _ index: Int) -> Int { (starts[group] + index - places.lowerBound) / size }

  /// The weight of a completion's tokens.
  func weight(_ group: Int, _ index: Int) -> Double {
    let place = starts[group] + index - places.lowerBound
    return weights.weights[place / size][place % size]
  }

  /// The groups with completions in some micro-batches, and which of theirs are.
  func groups(of microBatches: Range<Int>) -> [(group: Int, completions: Range<Int>)] {
    let wanted =
      min(
        places.lowerBound + microBatches.lowerBound * size, places.upperBound)..<min(
        places.lowerBound + microBatches.upperBound * size, places.upperBound)
    return starts.indices.dropLast().compactMap { g in
      let range = wanted.clamped(to: starts[g]..<starts[g + 1])
      return range.isEmpty
        ? nil : (g, range.lowerBound - starts[g]..<range.upperBound - starts[g])
    }
  }
}
