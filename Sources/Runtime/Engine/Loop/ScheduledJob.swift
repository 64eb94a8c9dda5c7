/// What the jobs of one prompt share. The engine's thread alone uses it.
final class SharedPrompt {
  /// The prompt's keys and values, for the samples that begin later.
  var cache: SequenceCache?
  /// The sample that computes the prompt for all.
  weak var leader: ScheduledJob?
  /// Samples that wait.
  var waiting = 0
  /// What its samples guess from.
  var drafts = PromptDrafts()
}

/// A job between its admission and its end. The engine's thread alone uses it.
final class ScheduledJob {
  /// What the job is about.
  enum Work {
    case completion(ActiveCompletion)
    case score(ActiveScore)
  }

  let job: Job
  let prompt: SharedPrompt
  let adapter: AttachedAdapter?
  let work: Work
  /// The tokens so far, with their keys and values.
  var tokens: CachedTokens
  /// What is guessed to follow.
  var drafts = StreamDrafts()

  /// - Parameters:
  ///   - activations: what the model rounds activations to.
  ///   - context: the longest sequence in tokens.
  ///   - roomTokens: the most tokens that can be kept at once.
  init(
    _ job: Job, _ prompt: SharedPrompt, activations: ActivationType, context: Int, roomTokens: Int
  ) {
    self.job = job
    self.prompt = prompt
    switch job.wish {
    case .completion(let request):
      adapter = request.settings.adapter
      work = .completion(
        ActiveCompletion(request, limit: request.limit(context: context, roomTokens: roomTokens)))
      tokens = CachedTokens(request.prompt, key: PrefixKey(adapter, activations), scoredFrom: nil)
    case .score(let request):
      adapter = request.adapter
      work = .score(ActiveScore(request))
      tokens = CachedTokens(request.tokens, key: PrefixKey(adapter, activations), scoredFrom: request.first)
    }
  }

  var completion: ActiveCompletion? { if case .completion(let completion) = work { completion } else { nil } }

  /// Whether it computes one row and draws from it.
  var isDecoding: Bool { tokens.pendingCount == 1 && completion != nil }

  /// Order of fairness: by arrival, then by sample.
  func precedes(_ other: ScheduledJob) -> Bool {
    (job.group.arrival, job.sample) < (other.job.group.arrival, other.job.sample)
  }

  /// The end of its completion.
  func ending(_ reason: FinishReason) -> Ending {
    completion?.ending(reason, cachedPromptTokens: tokens.cachedPromptCount, drafts) ?? Ending(reason)
  }
}
