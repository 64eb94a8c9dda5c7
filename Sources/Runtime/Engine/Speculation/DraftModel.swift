import CKernels
import Foundation
import ModelFiles

/// A drafter at work: it reads the texts of running completions and guesses what follows. Its keys and values are its
/// own. The engine's thread alone uses it.
final class DraftModel {
  /// A guess, and how sure the drafter is of it.
  struct Guess {
    let id: Int
    let confidence: Int
  }

  private let model: Model
  /// Whether the base's adapters have their places in it, and whether those of head and embedding do.
  private let takesAdapters: Bool
  private let takesTables: Bool
  private let pool: PagePool
  private let prefixes: PrefixCache
  private let sampler: Sampler

  /// Rows of a pass that reads.
  private static let passRows = 256

  /// - Parameter bytes: the most that its keys and values may take.
  init(_ drafter: Drafter, for base: Model, cacheType: CacheType, bytes: Int) {
    model = drafter.model
    takesAdapters = AdapterFit.isAlike(model.config, base.config)
    takesTables = takesAdapters && model.config.vocabSize == base.config.vocabSize
    let layout = CacheLayout(model.config, type: cacheType)
    pool = PagePool(layout, limit: bytes / layout.pageBytes)
    prefixes = PrefixCache(pool)
    sampler = Sampler(vocabulary: model.config.vocabSize)
  }

  var usedBytes: Int { pool.used * pool.layout.pageBytes }
  var cachedBytes: Int { prefixes.pageCount * pool.layout.pageBytes }
  var limitBytes: Int { pool.limit * pool.layout.pageBytes }

  /// Frees the prefixes of a forgotten adapter, which no job uses.
  func forget(_ key: PrefixKey) { prefixes.drop(key) }

  // MARK: Reading

  /// Brings what is known of a job's text up to date, and makes room for it and `count` guesses. Returns how many
  /// tokens are unread, at least 1; nil when the drafter can't guess for the job.
  func follow(_ job: ScheduledJob, guesses count: Int) -> Int? {
    let ids = job.tokens.ids
    let known = job.drafts.read?.ids.count ?? 0
    // A copy may have fewer rows of padding.
    guard ids[known...].allSatisfy({ $0 < model.config.vocabSize }),
      ids.count + count <= model.config.maxPositions
    else { return nil }
    if job.drafts.read == nil {
      var tokens = CachedTokens(ids, key: job.tokens.key, scoredFrom: nil)
      tokens.begin(SequenceCache(pool))
      job.drafts.read = tokens
    } else {
      for id in ids[known...] { job.drafts.read?.append(id) }
    }
    job.drafts.read?.register(prefixes)
    _ = job.drafts.read?.advance(prefixes)
    guard let cache = job.drafts.read?.cache else { return nil }
    let wanted = ids.count + count
    while !cache.tryReserve(tokens: wanted) {
      let missing = SequenceCache.pageCount(wanted) - cache.pages.count
      if !prefixes.evict(missing - pool.available) {
        job.drafts.read = nil
        return nil
      }
    }
    return job.drafts.read?.pendingCount
  }

  /// Reads of each text what is unread before its last token, at most `limit` tokens in all. Returns how many it read.
  func read(_ jobs: [ScheduledJob], limit: Int) -> Int {
    var count = 0
    while count < limit {
      var segments: [Segment] = []
      var readers: [ScheduledJob] = []
      var rows = min(Self.passRows, limit - count)
      var begun: Set<PageIdentity> = []
      for job in jobs where rows > 0 {
        _ = job.drafts.read?.advance(prefixes)
        guard let tokens = job.drafts.read, tokens.pendingCount > 1 else { continue }
        // Samples of a group have their prompt in common: one of them reads it.
        if let page = tokens.nextSharedPage(), !begun.insert(page).inserted { continue }
        let segment = tokens.segment(adapter(job), rows: min(rows, tokens.pendingCount - 1), logitRows: 0)
        rows -= segment.tokens.count
        count += segment.tokens.count
        segments.append(segment)
        readers.append(job)
      }
      if segments.isEmpty { break }
      model.compute.exclusive { forward in unsafe forward.run(segments) { _, _ in } }
      for job in readers { job.drafts.read?.register(prefixes) }
    }
    return count
  }

  // MARK: Guessing

  /// One pass: the token that the drafter would draw behind each text and its guesses so far; nil where it has none.
  /// ``follow(_:guesses:)`` comes before the first.
  func pass(_ jobs: [ScheduledJob]) -> (guesses: [Guess?], rows: Int) {
    let segments = jobs.map { job in
      guard let tokens = job.drafts.read, let cache = tokens.cache else {
        preconditionFailure("follow comes first")
      }
      guard let last = job.drafts.tokens.last else {
        return tokens.segment(adapter(job), rows: tokens.pendingCount, logitRows: 1)
      }
      return Segment(tokens: [last], cache: cache, adapter: adapter(job), logits: 0..<1)
    }
    var guesses: [Guess?] = []
    let vocabulary = model.config.vocabSize
    model.compute.exclusive { forward in
      unsafe forward.run(segments) { logits, _ in
        var values = unsafe UnsafeMutablePointer(mutating: logits)
        for job in jobs {
          guard let completion = job.completion else { preconditionFailure("only completions have guesses") }
          // The same random number as the base will use: so both choose alike as often as they can.
          unsafe sampler.add(
            completion, sample: job.job.sample, position: job.tokens.ids.count + job.drafts.tokens.count,
            logits: values, isCopied: false, isGuess: true)
          unsafe values += vocabulary
        }
        unsafe sampler.draw(forward.pool)
        guesses = jobs.indices.map { i in
          sampler.result(i).map { row in
            Guess(id: row.id, confidence: DrafterRates.confidence(exp(Double(row.logProbability))))
          }
        }
        sampler.clear()
      }
    }
    return (guesses, segments.reduce(0) { $0 + $1.tokens.count })
  }

  /// Drops what was read of wrong guesses, once the base has drawn: each text's last token is unread.
  func close(_ jobs: [ScheduledJob]) {
    for job in jobs { job.drafts.read?.truncate(to: job.tokens.ids.count - 1) }
  }

  /// What is attached for a job. Pairs are matrices of the same shapes, so the base's adapter serves as it is. One that
  /// replaces weights would bring the base's along.
  private func adapter(_ job: ScheduledJob) -> AttachedAdapter? {
    guard takesAdapters, let adapter = job.adapter, adapter.binding.weights == nil else { return nil }
    return takesTables || adapter.binding.table == nil && adapter.binding.head == nil ? adapter : nil
  }
}
