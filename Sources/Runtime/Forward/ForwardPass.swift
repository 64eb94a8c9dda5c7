import CKernels
import ModelFiles

/// New tokens of one sequence in a step. Their positions follow what the cache holds.
struct Segment {
  let tokens: [Int]
  let cache: SequenceCache
  let adapter: AttachedAdapter?
  /// Which of `tokens` want logits.
  let logits: Range<Int>
}

/// The sampler's forward pass over a batch of rows from any number of sequences and adapters.
@safe final class ForwardPass {
  let config: Architecture
  private let decoder: Decoder
  private let arrays = BlockArrays(keepsAll: false)
  private let lastHidden = FloatBuffer()
  private let logits = FloatBuffer()

  /// The threads, as kernels take them.
  var pool: OpaquePointer { unsafe decoder.pool.threads }

  /// - Throws: `RuntimeError.threadsUnavailable`.
  init(config: Architecture, weights: ModelWeights, threads: Int) throws(RuntimeError) {
    self.config = config
    decoder = try Decoder(config, weights, threads: threads)
  }

  /// Computes all rows of `segments`, appends their keys and values to the caches, and hands the logits
  /// `[wanted rows, vocabulary]`, in the order of the segments, to `body`. `entering` is told each layer before its
  /// weights are touched, and the number of layers before the head's.
  func run<T>(
    _ segments: [Segment], entering: (Int) -> Void = { _ in }, _ body: (UnsafePointer<Float>, Int) -> T
  ) -> T {
    let batch = Batch(segments)
    let x = unsafe begin(batch)
    for layer in 0..<config.layerCount {
      entering(layer)
      unsafe decoder.block(layer, batch, arrays, output: x)
    }
    entering(config.layerCount)
    return unsafe end(batch, x, body)
  }

  /// How the logits of two rows compare.
  enum Comparison {
    case equal, differ
    /// The second row's are not finite.
    case notFinite
    /// Those of the first row are not finite.
    case bothNotFinite
  }

  /// Compares the logits of two segments of one row each. It stops as soon as the rows are further apart than a share
  /// of their length, which later rounding can't undo; when they never are, or thoroughness is asked for, the logits
  /// themselves are compared.
  func compare(_ segments: [Segment], isThorough: Bool, share: Float = 0x1p-12) -> Comparison {
    let batch = Batch(segments)
    let width = config.hiddenSize
    let x = unsafe begin(batch)
    for layer in 0..<config.layerCount {
      unsafe decoder.block(layer, batch, arrays, output: x)
      var (apart, length): (Float, Float) = (0, 0)
      for i in 0..<width {
        let (a, b) = unsafe (x[i], x[width + i])
        apart += (a - b) * (a - b)
        length += a * a
      }
      // Rows so far apart have lost their lengths to infinity in the norms.
      if !apart.isFinite, length.isFinite { return .notFinite }
      if !isThorough, apart > share * share * length { return .differ }
    }
    return unsafe end(batch, x) { logits, _ in
      let count = config.vocabSize
      var differs = false
      for i in 0..<count {
        let (a, b) = unsafe (logits[i], logits[count + i])
        if !a.isFinite { return .bothNotFinite }
        if !b.isFinite { return .notFinite }
        differs = differs || a.bitPattern != b.bitPattern
      }
      return differs ? .differ : .equal
    }
  }

  /// Embeds the rows, makes room in their caches, and returns where the blocks' input and output lies.
  private func begin(_ batch: Batch) -> UnsafeMutablePointer<Float> {
    let x = unsafe arrays.input.reserve(batch.tokens.count * config.hiddenSize)
    unsafe decoder.embed(batch.tokens, batch.runs, into: x)
    for segment in batch.segments {
      segment.cache.reserve(tokens: segment.cache.count + segment.tokens.count)
    }
    return unsafe x
  }

  /// After all blocks: the caches hold the new tokens, and `body` gets the logits.
  private func end<T>(
    _ batch: Batch, _ x: UnsafePointer<Float>, _ body: (UnsafePointer<Float>, Int) -> T
  ) -> T {
    for segment in batch.segments { segment.cache.advance(by: segment.tokens.count) }
    let wanted = batch.logitRows
    let output = unsafe logits.reserve(wanted.count * config.vocabSize)
    unsafe decoder.head(
      wanted, batch.headRuns, of: x, gathered: lastHidden.reserve(wanted.count * config.hiddenSize),
      into: output)
    return unsafe body(output, wanted.count)
  }
}

/// The rows of a step, flattened.
private struct Batch: BlockRows {
  let segments: [Segment]
  var tokens: [Int] = []
  var positions: [UInt32] = []
  var firstRows: [Int] = []
  var logitRows: [Int] = []
  /// Runs of neighbouring rows that share an adapter.
  var adapted: [(adapter: AttachedAdapter, rows: Range<Int>)] = []
  /// All rows, in runs that share what an adapter changes outside of plain pairs on projections.
  var runs: [AdapterRun] = []
  /// The same of the rows that want logits, counted from 0.
  var headRuns: [AdapterRun] = []
  var weightRuns: [(rows: Range<Int>, weights: ModelWeights?)] = []
  var maxKeys = 0

  init(_ segments: [Segment]) {
    self.segments = segments
    for segment in segments {
      let first = tokens.count
      firstRows.append(first)
      tokens += segment.tokens
      positions += segment.tokens.indices.map { UInt32(segment.cache.count + $0) }
      logitRows += segment.logits.map { first + $0 }
      maxKeys = max(maxKeys, segment.cache.count + segment.tokens.count)
      let binding = segment.adapter?.binding
      let isOwn = binding?.weights != nil || binding?.hasFactors == true
      Self.extend(&runs, to: tokens.count, isOwn || binding?.table != nil ? segment.adapter : nil)
      Self.extend(&headRuns, to: logitRows.count, isOwn || binding?.head != nil ? segment.adapter : nil)
      guard let adapter = segment.adapter else { continue }
      if let last = adapted.last, last.adapter === adapter, last.rows.upperBound == first {
        adapted[adapted.count - 1].rows = last.rows.lowerBound..<tokens.count
      } else {
        adapted.append((adapter, first..<tokens.count))
      }
    }
    if runs.contains(where: { $0.adapter?.binding.weights != nil }) {
      weightRuns = runs.map { ($0.rows, $0.adapter?.binding.weights) }
    }
  }

  /// Adds the rows up to `end` to the last run, or as a new one.
  private static func extend(_ runs: inout [AdapterRun], to end: Int, _ adapter: AttachedAdapter?) {
    let first = runs.last?.rows.upperBound ?? 0
    if let last = runs.last, last.adapter === adapter {
      runs[runs.count - 1].rows = last.rows.lowerBound..<end
    } else if first < end {
      runs.append(AdapterRun(adapter: adapter, rows: first..<end))
    }
  }

  /// All rows in runs, if some of them need another map than the base's with a low-rank term; else nil.
  private func ownRuns(_ projection: Projection, layer: Int) -> [AdapterRun]? {
    let needs = runs.contains { run in
      guard let adapter = run.adapter else { return false }
      return adapter.binding.weights != nil || adapter.pairs[layer][projection.rawValue]?.outputs != nil
    }
    guard needs else { return nil }
    var all: [AdapterRun] = []
    for (adapter, rows) in adapted {
      Self.extend(&all, to: rows.lowerBound, nil)
      all.append(AdapterRun(adapter: adapter, rows: rows))
    }
    Self.extend(&all, to: tokens.count, nil)
    return all
  }

  @unsafe func project(
    _ targets: [(Projection, UnsafeMutablePointer<Float>)], layer: Int, input: UnsafePointer<Float>,
    accumulates: Bool, _ decoder: Decoder
  ) {
    for i in unsafe targets.indices {
      let (projection, output) = unsafe targets[i]
      if let own = ownRuns(projection, layer: layer) {
        unsafe decoder.addMaps(
          projection, layer: layer, x: input, own, y: output, accumulates: accumulates)
        continue
      }
      unsafe decoder.addMap(
        projection, layer: layer, x: input, count: tokens.count, y: output, accumulates: accumulates)
      for (adapter, rows) in adapted {
        guard let pair = adapter.pairs[layer][projection.rawValue] else { continue }
        unsafe decoder.maps.addTerm(pair, rows: rows)
      }
    }
    decoder.maps.run()
  }

  @unsafe func attend(layer: Int, _ arrays: BlockArrays, _ decoder: Decoder) {
    for (segment, first) in zip(segments, firstRows) {
      let rows = first..<first + segment.tokens.count
      unsafe decoder.attention.add(rows, to: segment.cache, layer: layer, arrays)
    }
    decoder.attention.run(layer: layer, layout: segments[0].cache.layout)
  }
}
