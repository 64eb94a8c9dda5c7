/// A text that is being scored.
final class ActiveScore {
  let request: ScoreRequest
  /// The log-probabilities that are known by now.
  private(set) var scores: [Float] = []

  init(_ request: ScoreRequest) { self.request = request }

  /// The next tokens to score.
  func next(_ count: Int) -> ArraySlice<Int> {
    let first = request.first + scores.count
    return request.tokens[first..<first + count]
  }

  func add(_ new: [Float]) { scores += new }
}
