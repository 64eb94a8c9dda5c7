import CKernels
import ModelFiles
import TinaRuntime
import Support

/// Log-probabilities of a group's completions and their gradient with respect to an adapter.
///
/// A run uses one such object, which keeps its memory between passes. One thread at a time may use it.
@safe final class PolicyPass {
  private let decoder: Decoder
  /// Bytes of activations that a pass may keep. The blocks that do not fit, the first ones, are computed again.
  private let activationLimit: Int
  private let workspace: BlockPass.Workspace
  private let headWorkspace = HeadPass.Workspace()
  /// One for each block that is kept, behind one that serves all others.
  private var records: [LayerRecord] = []
  /// The most rows that a kept record has room for.
  private var recordRows = 0
  /// The MLP's product of the block that is being computed, which is cheap to make again.
  private let product = FloatBuffer()
  private let hidden = FloatBuffer()
  private let blockInputs = FloatBuffer()
  private let targetGradients = FloatBuffer()
  var pool: WorkPool { decoder.pool }
  /// Time and operations since the last reset.
  var clock: PassClock { workspace.clock }

  /// - Parameters:
  ///   - model: the base.
  ///   - cacheType: the type of the sampler's keys and values; this pass rounds its own alike.
  ///   - threads: number of threads; the model's when nil. No result depends on it.
  ///   - activationLimit: bytes of activations that a pass may keep.
  /// - Throws: `RuntimeError.threadsUnavailable`.
  init(
    _ model: Model, cacheType: CacheType = .f16, threads: Int? = nil, activationLimit: Int = 1 << 30
  ) throws(RuntimeError) {
    decoder = try Decoder(model.config, model.weights, threads: threads ?? model.threads)
    self.activationLimit = activationLimit
    workspace = BlockPass.Workspace(CacheLayout(model.config, type: cacheType, layerCount: 1))
  }

  /// What a pass finds, by completion and token.
  struct Values {
    var logProbabilities: [[Float]]
    var entropies: [[Float]]
    /// Tokens that no other token's probability exceeds.
    var topCount = 0
  }

  /// ln p of every completion token under the base with `adapter`, nil for the base alone.
  func logProbabilities(
    _ batch: GroupBatch, adapter: LoRAParameters?, dropout: Dropout = .none, temperature: Float = 1
  ) throws(TrainerError) -> Values {
    try run(batch, adapter: adapter, dropout: dropout, temperature, nil) { _ in nil }
  }

  /// ln p of every completion token, and the gradient of Σ weight · ln p added to `gradient`.
  ///
  /// - Parameter weights: called once with the log-probabilities. It returns the weight of each completion's tokens, or
  ///   nil when all are zero.
  func logProbabilities(
    _ batch: GroupBatch, adapter: LoRAParameters, dropout: Dropout, temperature: Float = 1,
    gradient: FloatMemory, weights: (Values) throws(TrainerError) -> [[Float]]?
  ) throws(TrainerError) -> Values {
    try run(batch, adapter: adapter, dropout: dropout, temperature, gradient, weights)
  }

  private func run(
    _ batch: GroupBatch, adapter: LoRAParameters?, dropout: Dropout, _ temperature: Float,
    _ gradient: FloatMemory?, _ weights: (Values) throws(TrainerError) -> [[Float]]?
  ) throws(TrainerError) -> Values {
    let start = ContinuousClock.now
    defer { clock.add(.pass, (ContinuousClock.now - start).inSeconds, 0) }
    let config = decoder.config
    let n = batch.rowCount
    let width = config.hiddenSize
    let blocks = BlockPass(
      decoder: decoder, batch: batch,
      adapter: adapter.map {
        AdapterProducts(decoder: decoder, parameters: $0, batch: batch, dropout: dropout)
      }, workspace: workspace)
    // Of the first blocks only the inputs are kept, to compute them again.
    let again = config.layerCount - (gradient == nil ? 0 : keptBlocks(rows: n, rank: adapter?.maxRank ?? 0))
    addRecords(1)
    let inputs =
      gradient != nil && again > 0 ? unsafe blockInputs.reserve(n * width * again) : nil

    let x = unsafe hidden.reserve(n * width)
    unsafe decoder.embed(batch.tokens, into: x)
    for index in 0..<config.layerCount {
      let record = records[max(0, index - again + 1)]
      unsafe record.arrays.input.reserve(n * width).update(from: x, count: n * width)
      if let inputs = unsafe inputs, index < again {
        unsafe (inputs + index * n * width).update(from: x, count: n * width)
      }
      unsafe blocks.forward(index, record, output: x)
    }
    let head = HeadPass(
      decoder: decoder, batch: batch, temperature: temperature, workspace: headWorkspace)
    let targets = gradient == nil ? nil : unsafe targetGradients.reserve(batch.targets.count * width)
    let headStart = ContinuousClock.now
    let scores = unsafe try head.run(x, gradients: targets)
    clock.add(
      .head, (ContinuousClock.now - headStart).inSeconds,
      Double((gradient == nil ? 2 : 4) * batch.targets.count * config.vocabSize * width))
    let values = Values(
      logProbabilities: split(scores.logProbabilities, batch), entropies: split(scores.entropies, batch),
      topCount: scores.topCount)
    guard let gradient, let targets = unsafe targets, let weights = try weights(values) else { return values }

    // From here on x holds the gradient with respect to the last block's output.
    unsafe write(weights, targets, batch, into: x)
    for index in (0..<config.layerCount).reversed() {
      let record = records[max(0, index - again + 1)]
      if let inputs = unsafe inputs, index < again {
        unsafe record.arrays.input.reserve(n * width).update(
          from: inputs + index * n * width, count: n * width)
        unsafe blocks.forward(index, record, output: nil)
      } else {
        unsafe decoder.activate(record.arrays, rows: n)
      }
      unsafe blocks.backward(index, record, gradient: gradient, dx: x, needsInput: index > 0)
    }
    return values
  }

  /// The number of blocks, the last ones, whose activations fit into memory. Makes their records.
  private func keptBlocks(rows: Int, rank: Int) -> Int {
    func bytes(_ rows: Int) -> Int { LayerRecord.bytes(rows: rows, decoder.config, rank: rank) }
    let kept = min(decoder.config.layerCount, activationLimit / max(bytes(rows), 1))
    // What earlier passes of other sizes left may take too much room.
    let idle = max(0, records.count - 1 - kept)
    if bytes(max(rows, recordRows)) * kept + bytes(recordRows) * idle > activationLimit {
      records = []
      recordRows = 0
    }
    if kept > 0 { recordRows = max(recordRows, rows) }
    addRecords(1 + kept)
    return kept
  }

  private func addRecords(_ count: Int) {
    while records.count < count { records.append(LayerRecord(product: product)) }
  }

  /// Writes Σ weight · d ln p / dx, `[rows, hidden]`, over all targets.
  @unsafe private func write(
    _ weights: [[Float]], _ targets: UnsafePointer<Float>, _ batch: GroupBatch,
    into dx: UnsafeMutablePointer<Float>
  ) {
    let width = decoder.config.hiddenSize
    unsafe dx.update(repeating: 0, count: batch.rowCount * width)
    for (index, (weight, target)) in zip(weights.joined(), batch.targets).enumerated() where weight != 0 {
      let (row, source) = unsafe (dx + target.row * width, targets + index * width)
      for j in 0..<width { unsafe row[j] += weight * source[j] }
    }
  }

  private func split(_ flat: [Float], _ batch: GroupBatch) -> [[Float]] {
    var start = 0
    return batch.targetCounts.map { count in
      defer { start += count }
      return Array(flat[start..<start + count])
    }
  }
}
