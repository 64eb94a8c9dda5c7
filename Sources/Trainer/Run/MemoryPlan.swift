import Foundation
import ModelFiles
import Support
import TinaRuntime

/// A run's memory, and how large passes may be so that it fits.
struct MemoryPlan {
  /// Rows of a pass at most.
  let rowLimit: Int
  /// Bytes for activations that a pass keeps instead of computing them again.
  let activationBytes: Int
  /// Bytes for the sampler's keys and values.
  let cacheBytes: Int
  let notes: [String]

  /// - Parameters:
  ///   - modules: what is trained.
  ///   - keepsReference: whether the adapter that the run starts from stays in memory.
  ///   - hasDrafter: whether a second model guesses. Its keys and values take memory that activations would.
  /// - Throws: ``TrainerError`` when a single longest completion or document does not fit.
  init(
    _ recipe: Recipe, _ modules: [TrainedModule], _ model: Model, keepsReference: Bool = false,
    hasDrafter: Bool = false, limit: Int?
  ) throws(TrainerError) {
    let config = model.config
    let total = limit ?? MachineMemory.available * 7 / 10
    // Matrices, the gradients of a step and of one of its pieces, and two moments.
    let state = 4 * (keepsReference ? 6 : 5) * LoRAParameters.count(modules, for: config)
    // A row while blocks are recomputed: every block's input, one record and its product, and the gradients.
    let row =
      4 * config.hiddenSize * (config.layerCount + 4)
      + LayerRecord.bytes(rows: 1, config, rank: modules.maxRank)
      + 4 * (4 * config.intermediateSize + 5 * config.hiddenSize)
    let head = 4 * HeadPass.chunk * (config.vocabSize + 3 * config.hiddenSize)
    let keyBytes = 2 * 2 * config.keyWidth * config.layerCount
    let sampled = recipe.maxPromptLength + recipe.maxCompletionLength
    let sequence = recipe.method == .sft ? recipe.supervision.maxLength : sampled
    // Supervised fine-tuning samples for held-out problems alone.
    let cache =
      recipe.method == .sft
      ? (recipe.heldOutPath == nil ? 0 : keyBytes * sampled)
      : keyBytes * (recipe.maxPromptLength + recipe.generations * recipe.maxCompletionLength)
    let needed = state + head + row * sequence + cache
    guard needed <= total else {
      throw TrainerError(
        .resources, place: "memory", found: "\(total >> 20) MiB for this run",
        expected: recipe.method == .sft
          ? "\(needed >> 20) MiB for one document of \(sequence) tokens"
          : "\(needed >> 20) MiB for one completion of \(recipe.maxCompletionLength) tokens",
        advice: recipe.method == .sft
          ? "Lower max_length, or give --memory if more is free."
          : "Lower max_completion_length or num_generations, or give --memory if more is free.")
    }
    let rest = total - state - head - cache
    // A run that resumes keeps its own limit, whatever memory is free then.
    rowLimit = max(sequence, min(8192, rest / 2 / row))
    cacheBytes = max(cache, min(total / 4, (recipe.method == .sft ? 64 : 8) * cache))
    let draftBytes = hasDrafter ? Engine.draftMemory(beside: cacheBytes) : 0
    activationBytes = max(0, rest - row * rowLimit - draftBytes)
    notes =
      [
        String(
          format:
            "memory: %.2f GB of %.2f GB for adapter, optimiser, %d rows a pass and the sampler; "
            + "weights stay in the page cache",
          Double(state + head + row * rowLimit + cache) / 1e9, Double(total) / 1e9, rowLimit)
      ]
      + (hasDrafter
        ? [
          String(format: "memory: up to %.0f MB for the drafter's keys and values", Double(draftBytes) / 1e6)
        ]
        : [])
  }
}
