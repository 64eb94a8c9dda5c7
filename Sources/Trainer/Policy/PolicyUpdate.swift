import ModelFiles
import Processes
import TinaRuntime

/// GRPO from rewards to a changed adapter: advantages, loss, gradient, optimiser.
@safe final class PolicyUpdate {
  let learner: AdapterLearner
  let settings: UpdateSettings
  /// What the KL divergence is from; nil for the base.
  let reference: LoRAParameters?

  private var pass: PolicyPass { learner.pass }
  private var parameters: LoRAParameters { learner.parameters }
  private var processes: any ProcessGroup { learner.processes }
  private var loss: PolicyLoss { PolicyLoss(settings: settings.loss) }

  init(_ learner: AdapterLearner, _ settings: UpdateSettings, reference: LoRAParameters? = nil) {
    self.learner = learner
    self.settings = settings
    self.reference = reference
  }

  /// Computes advantages, and log-probabilities that stay fixed over the steps on these completions.
  ///
  /// - Parameter pending: what the advantages are asked from instead, each group's when it is learnt from.
  func prepare(_ groups: [ScoredGroup], pending: PendingRewards? = nil) throws -> Generation {
    var old: [[[Float]]]?
    var reference: [[[Float]]]?
    let said = groups.compactMap(\.sampled)
    let isExact = settings.correction == nil && said.count == groups.count
    // Without dropout the only step finds the trainer's numbers itself.
    let needsPass = settings.correction != nil && parameters.settings.dropout > 0
    if settings.stepsPerGeneration > 1 || needsPass {
      old = isExact ? said : try logProbabilities(groups, adapter: parameters)
    }
    if settings.loss.beta != 0 { reference = try logProbabilities(groups, adapter: self.reference) }
    let advantages = Advantages.compute(groups.map(\.rewards), scaling: settings.scaling)
    let sequences = groups.indices.map { g in
      groups[g].completions.indices.map { i in
        LossSequence(
          length: groups[g].completions[i].count, advantage: advantages[g][i],
          isMasked: settings.masksTruncated && groups[g].isTruncated[i])
      }
    }
    var imported: ImportedSampling?
    if let correction = settings.correction, let old {
      imported = ImportedSampling(groups, trainer: old, sequences: sequences, correction)
    }
    return Generation(
      groups: groups, advantages: advantages, sequences: sequences,
      old: settings.stepsPerGeneration > 1 ? old : nil, reference: reference, imported: imported,
      pending: pending)
  }

  /// ln p of all completions. Each process computes its share; all get the whole.
  private func logProbabilities(_ groups: [ScoredGroup], adapter: LoRAParameters?) throws -> [[[Float]]] {
    let pieces = groups.indices.flatMap { g in
      slices(groups[g], groups[g].completions.indices).map { (group: g, completions: $0) }
    }
    let mine = try processes.share(of: pieces.count).map { piece in
      let (group, range) = (groups[pieces[piece].group], pieces[piece].completions)
      return try pass.logProbabilities(
        GroupBatch(prompt: group.prompt, completions: Array(group.completions[range])), adapter: adapter,
        temperature: settings.temperature
      ).logProbabilities.flatMap { $0 }
    }
    var result = groups.map { _ in [[Float]]() }
    for (piece, values) in zip(pieces, try processes.collect(mine, of: pieces.count)) {
      result[piece.group] += split(values, groups[piece.group], piece.completions)
    }
    return result
  }

  /// A piece's numbers by completion.
  private func split(_ flat: [Float], _ group: ScoredGroup, _ completions: Range<Int>) -> [[Float]] {
    var start = 0
    return completions.map { index in
      defer { start += group.completions[index].count }
      return Array(flat[start..<start + group.completions[index].count])
    }
  }

  /// Divides some of a group's completions into runs that fit into one pass.
  private func slices(_ group: ScoredGroup, _ indices: Range<Int>) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var start = indices.lowerBound
    var rows = group.prompt.count
    for i in indices {
      let count = group.completions[i].count
      if i > start, rows + count > settings.rowLimit {
        result.append(start..<i)
        start = i
        rows = group.prompt.count
      }
      rows += count
    }
    result.append(start..<indices.upperBound)
    return result
  }

  /// Takes one optimiser step. A loss or gradient that is not finite leaves the adapter as it is.
  ///
  /// - Parameter number: number of earlier steps on the same generation: first one over each of its parts, then once
  ///   more for each further iteration.
  /// - Throws: as ``AdapterLearner/step(_:pieces:learn:fold:)``.
  func step(_ generation: Generation, number: Int) throws -> UpdateMetrics {
    var metrics = UpdateMetrics()
    if settings.loss.beta != 0 { metrics.kl = 0 }
    if settings.correction != nil, number == 0 { metrics.mismatch = generation.imported?.mismatch ?? .init() }
    let plan = MicroBatches(generation, settings, part: number % settings.parts)
    let pieces = PieceOrder.longestFirst(
      plan.groups(of: 0..<plan.count).flatMap { g, range in
        slices(generation.groups[g], range).map { Piece(group: g, completions: $0) }
      }
    ) { piece in
      piece.completions.reduce(0) { $0 + generation.groups[piece.group].completions[$1].count }
    }
    let least = try leastEntropies(generation, plan, pieces)
    return try learner.step(metrics, pieces: pieces.count) {
      (index, dropout, gradient) throws(TrainerError) in
      let piece = pieces[index]
      // Later steps learn with other numbers than those that sampled.
      let checks =
        number == 0 && settings.correction == nil
        && (parameters.settings.dropout == 0 || piece.group == 0)
      return try learn(generation, piece, plan, least, dropout, gradient, checks: checks).numbers
    } fold: { numbers, metrics in
      fold(numbers.compactMap { PieceSums($0) }, plan, &metrics)
    }
  }

  /// Some completions of one group, which go through the model together.
  private struct Piece {
    let group: Int
    let completions: Range<Int>
  }

  /// Enters the parts of the loss of all pieces into a step's numbers.
  private func fold(_ pieces: [PieceSums], _ plan: MicroBatches, _ metrics: inout UpdateMetrics) {
    let share = 1 / Double(max(plan.count, 1))
    var all = [LossSums](repeating: LossSums(), count: plan.count)
    for piece in pieces {
      metrics.checkedTokens += piece.checkedTokens
      metrics.differingTokens += piece.differingTokens
      if let mismatch = metrics.mismatch { metrics.mismatch = mismatch + piece.mismatch }
      for (m, more) in piece.sums where all.indices.contains(m) { all[m] = all[m] + more }
    }
    for (m, sums) in all.enumerated() {
      if !sums.loss.isFinite {
        metrics.skipped = metrics.skipped ?? "the loss of micro-batch \(m + 1) is \(sums.loss)"
      }
      let tokens = Double(max(sums.tokens, 1))
      let units = Double(max(sums.clipUnits, 1))
      metrics.loss += sums.loss
      metrics.entropy += share * sums.entropy / tokens
      if settings.loss.beta != 0 { metrics.kl? += share * sums.kl / tokens }
      metrics.lowClipMean += share * Double(sums.lowClipped) / units
      metrics.highClipMean += share * Double(sums.highClipped) / units
      metrics.regionClipMean += share * Double(sums.lowClipped + sums.highClipped) / units
      metrics.lowClipMin += share * (sums.lowShares.min() ?? 0)
      metrics.highClipMax += share * (sums.highShares.max() ?? 0)
    }
  }

  /// The entropy below which tokens of each micro-batch have no policy gradient, where the recipe asks for that. A pass
  /// of its own finds it, under the masks of the pass that learns.
  private func leastEntropies(
    _ generation: Generation, _ plan: MicroBatches, _ pieces: [Piece]
  ) throws -> [Float?] {
    guard settings.loss.topEntropyShare < 1 else { return [Float?](repeating: nil, count: plan.count) }
    // A piece whose numbers are not finite fails again in the pass that learns, which tells it.
    let mine = try processes.share(of: pieces.count).map { index -> [Float] in
      let (g, range) = (pieces[index].group, pieces[index].completions)
      do throws(TrainerError) {
        return try pass.logProbabilities(
          batch(generation.groups[g], range), adapter: parameters, dropout: learner.dropout(ofPiece: index),
          temperature: settings.temperature
        ).entropies.flatMap { $0 }
      } catch {
        guard error.kind == .notFinite else { throw error }
        return generation.groups[g].completions[range].flatMap { $0.map { _ in Float.nan } }
      }
    }
    var entropies = [[Float]](repeating: [], count: plan.count)
    for (piece, values) in zip(pieces, try processes.collect(mine, of: pieces.count)) {
      let g = piece.group
      for (index, values) in zip(piece.completions, split(values, generation.groups[g], piece.completions))
      where !generation.sequences[g][index].isMasked {
        entropies[plan.microBatch(g, index)] += values
      }
    }
    return entropies.map { EntropyQuantile.value($0, 1 - settings.loss.topEntropyShare) }
  }

  private func batch(_ group: ScoredGroup, _ range: Range<Int>) -> GroupBatch {
    GroupBatch(
      prompt: group.prompt, completions: Array(group.completions[range]), firstSequence: range.lowerBound)
  }

  /// Adds the gradient of a piece; returns its parts of the loss by micro-batch.
  private func learn(
    _ generation: Generation, _ piece: Piece, _ plan: MicroBatches, _ least: [Float?], _ dropout: Dropout,
    _ gradient: FloatMemory, checks: Bool
  ) throws(TrainerError) -> PieceSums {
    let (g, range) = (piece.group, piece.completions)
    let group = generation.groups[g]
    let loss = loss
    let batch = batch(group, range)
    var result = PieceSums()
    let values = try pass.logProbabilities(
      batch, adapter: parameters, dropout: dropout, temperature: settings.temperature, gradient: gradient
    ) { (values) throws(TrainerError) in
      // After the forward pass: until now, commands had time to value the group.
      let sequences = try generation.sequences(of: g)
      var isZero = true
      var slopes: [[Float]] = []
      for (i, index) in range.enumerated() {
        let m = plan.microBatch(g, index)
        var importance = generation.imported?.importance?[g][index]
        if let correction = settings.correction, generation.imported == nil,
          let sampled = group.sampled?[index]
        {
          let mine = values.logProbabilities[i]
          let ratios = correction.ratios(trainer: mine, sampled: sampled)
          result.mismatch =
            result.mismatch
            + correction.mismatch(
              trainer: mine, sampled: sampled, ratios: ratios, isMasked: sequences[index].isMasked)
          if correction.isOn { importance = ratios }
        }
        let (sums, slope) = loss.evaluate(
          PolicyLoss.Tokens(
            new: values.logProbabilities[i], old: generation.old?[g][index],
            reference: generation.reference?[g][index], entropies: values.entropies[i],
            leastEntropy: least[m], importance: importance),
          sequence: sequences[index], weight: plan.weight(g, index))
        result.add(sums, microBatch: m)
        isZero = isZero && slope.allSatisfy { $0 == 0 }
        slopes.append(slope)
      }
      return isZero ? nil : slopes
    }
    guard checks, let sampled = group.sampled else { return result }
    // The sampler uses no dropout: compare with a pass without it.
    let mine =
      dropout.isActive
      ? try pass.logProbabilities(batch, adapter: parameters, temperature: settings.temperature)
        .logProbabilities : values.logProbabilities
    for (i, index) in range.enumerated() {
      for (a, b) in zip(mine[i], sampled[index]) {
        result.checkedTokens += 1
        if a.bitPattern != b.bitPattern { result.differingTokens += 1 }
      }
    }
    return result
  }
}
