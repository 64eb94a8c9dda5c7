import AdapterFormat
import CKernels
import Foundation
import ModelFiles
import Testing

@testable import TinaRuntime

/// Pseudo-random token ids below `limit`.
func someTokens(_ count: Int, below limit: Int, seed: UInt64 = 1) -> [Int] {
  (0..<count).map { position in
    Int(Philox.uniform(seed: seed, prompt: 0, sample: 0, position: UInt64(position)) * Double(limit))
  }
}

/// The logits of every position of every sequence, all sequences in one batch, `chunk` tokens a step.
func batchedLogits(
  _ model: Model, _ sequences: [[Int]], adapters: [AttachedAdapter?], chunk: Int, cache: CacheType = .f16
) -> [[Float]] {
  let caches = sequences.map { _ in SequenceCache(CacheLayout(model.config, type: cache)) }
  var results = [[Float]](repeating: [], count: sequences.count)
  var start = 0
  while sequences.contains(where: { $0.count > start }) {
    var segments: [Segment] = []
    var owners: [Int] = []
    for (i, tokens) in sequences.enumerated() where tokens.count > start {
      let piece = Array(tokens[start..<min(start + chunk, tokens.count)])
      segments.append(
        Segment(tokens: piece, cache: caches[i], adapter: adapters[i], logits: 0..<piece.count))
      owners += Array(repeating: i, count: piece.count)
    }
    model.compute.exclusive { forward in
      unsafe forward.run(segments) { logits, count in
        let vocabulary = model.config.vocabSize
        for row in 0..<count {
          unsafe results[owners[row]].append(
            contentsOf: UnsafeBufferPointer(start: logits + row * vocabulary, count: vocabulary))
        }
      }
    }
    start += chunk
  }
  return results
}

/// Draws from one row of logits, as the engine does.
@unsafe func sample(
  _ logits: [Float], _ parameters: SamplingParameters, uniform: Double, allowed: Int? = nil, top: Int = 0,
  penalties: PenaltyTable? = nil
) -> DrawnRow? {
  guard let pool = unsafe tk_pool_create(1) else { return nil }
  defer { unsafe tk_pool_destroy(pool) }
  var values = logits
  var ids = [UInt32](repeating: 0, count: top + 1)
  var likely = [Float](repeating: 0, count: top + 1)
  return unsafe values.withUnsafeMutableBufferPointer { values in
    unsafe ids.withUnsafeMutableBufferPointer { ids in
      unsafe likely.withUnsafeMutableBufferPointer { likely in
        guard let base = values.baseAddress else { return nil }
        var row = unsafe tk_sample_row(
          logits: base, count: logits.count, allowed: allowed ?? logits.count,
          temperature: parameters.temperature, top_k: parameters.topK, top_p: parameters.topP,
          min_p: parameters.minP, uniform: uniform, penalised: UnsafePointer(penalties?.ids),
          drawn: UnsafePointer(penalties?.drawn), penalties: penalties?.count ?? 0,
          repetition: parameters.repetitionPenalty, presence: parameters.presencePenalty,
          frequency: parameters.frequencyPenalty, top: top, top_ids: ids.baseAddress,
          top_log_probabilities: likely.baseAddress, finite: false, token: 0, log_probability: 0,
          tempered_log_probability: 0)
        unsafe tk_sample(pool, &row, 1)
        guard unsafe row.finite else { return nil }
        return unsafe DrawnRow(
          id: Int(row.token), logProbability: row.log_probability,
          temperedLogProbability: row.tempered_log_probability,
          top: (0..<row.top).map { i in
            unsafe TokenProbability(id: Int(ids[i]), logProbability: likely[i])
          })
      }
    }
  }
}
