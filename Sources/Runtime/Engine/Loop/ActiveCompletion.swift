/// A completion that is being sampled.
final class ActiveCompletion {
  let request: GenerationRequest
  let penalties: PenaltyTable?
  /// The most tokens, prompt included.
  private let limit: Int
  private var text: TextAssembler?

  init(_ request: GenerationRequest, limit: Int) {
    self.request = request
    self.limit = limit
    text = request.tokenizer.map {
      TextAssembler($0, stops: request.settings.stopTexts, silent: request.endTokens ?? [])
    }
    let sampling = request.settings.sampling
    penalties = sampling.hasPenalties ? PenaltyTable(prompt: request.prompt, sampling) : nil
  }

  /// Tokens that may still be drawn behind `count`.
  func room(behind count: Int) -> Int { limit - count }

  /// Takes the drawn token as the last of `tokens`; the event for it, and why the completion ends if it does.
  func take(_ row: borrowing DrawnRow, _ tokens: inout CachedTokens) -> (GeneratedToken, FinishReason?) {
    let place = tokens.ids.count - tokens.promptCount
    let isReplayed = place < request.replayed.count
    let id = isReplayed ? request.replayed[place] : row.id
    tokens.append(id)
    penalties?.add(id)
    let piece = text?.append(id)
    let token = GeneratedToken(
      id: id, logProbability: row.logProbability, temperedLogProbability: row.temperedLogProbability,
      top: row.top, text: piece)
    if text?.found != nil || request.endTokens?.contains(id) == true { return (token, .stop) }
    return (token, tokens.ids.count >= limit ? .length : nil)
  }

  /// The end, with the text that was held back. A stop text may be completed by a character's last byte only now.
  func ending(_ reason: FinishReason, cachedPromptTokens: Int, _ drafts: StreamDrafts) -> Ending {
    let rest = text?.finish() ?? ""
    return Ending(
      text?.found == nil ? reason : .stop, text: rest, stopText: text?.found,
      cachedPromptTokens: cachedPromptTokens, draftedTokens: drafts.drafted, acceptedTokens: drafts.accepted)
  }
}

extension GenerationRequest {
  /// The most tokens of a completion, prompt included.
  ///
  /// - Parameters:
  ///   - context: the longest sequence in tokens.
  ///   - roomTokens: the most tokens that can be kept at once.
  func limit(context: Int, roomTokens: Int) -> Int {
    // Without a limit of its own an answer ends where the room does. The last token is never stored.
    guard let maxTokens = settings.maxTokens else { return min(context, roomTokens + 1) }
    let (wanted, overflow) = prompt.count.addingReportingOverflow(maxTokens)
    return overflow ? context : min(wanted, context)
  }
}
