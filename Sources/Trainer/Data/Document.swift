/// A text to learn from: its tokens, and which of them count in the loss.
struct Document: Equatable {
  private(set) var tokens: [Int]
  private(set) var isLabelled: [Bool]

  init(_ tokens: [Int], labelled: [Bool]) {
    precondition(tokens.count == labelled.count)
    (self.tokens, isLabelled) = (tokens, labelled)
  }

  /// Only tokens from `start` on count.
  init(_ tokens: [Int], labelledFrom start: Int) {
    self.init(tokens, labelled: tokens.indices.map { $0 >= start })
  }

  /// Number of tokens that count: the first one has nothing before it that could predict it.
  var labelCount: Int { isLabelled.dropFirst().count { $0 } }

  /// Cuts off what is beyond `length`, and what follows the last token that counts; returns whether a token that counts
  /// was lost.
  mutating func truncate(to length: Int) -> Bool {
    let before = labelCount
    let end = (isLabelled.prefix(length).lastIndex(of: true) ?? -1) + 1
    tokens.removeSubrange(end...)
    isLabelled.removeSubrange(end...)
    return labelCount < before
  }
}
