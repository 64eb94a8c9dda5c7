/// One prompt and its completions as rows: the prompt's tokens once, then each completion's tokens except the last,
/// which predicts nothing that is needed.
///
/// A completion attends to the prompt's keys and to its own, so that the prompt is computed once.
struct GroupBatch {
  let prompt: [Int]
  let completions: [[Int]]
  /// Rows of each segment: the prompt, then the completions.
  let segments: [Range<Int>]
  let tokens: [Int]
  let positions: [UInt32]
  /// For each completion token in order: the row whose logits predict it, and the token.
  let targets: [(row: Int, token: Int)]
  /// Number of targets of each completion.
  let targetCounts: [Int]
  /// Each row's sequence, for dropout: 0 for the prompt, 1 + index for a completion.
  let sequences: [UInt32]

  /// - Parameter firstSequence: the index of the first completion within its group, for dropout.
  init(prompt: [Int], completions: [[Int]], firstSequence: Int = 0) {
    precondition(!prompt.isEmpty && completions.allSatisfy { !$0.isEmpty })
    self.prompt = prompt
    self.completions = completions
    var segments = [0..<prompt.count]
    var tokens = prompt
    var positions = prompt.indices.map { UInt32($0) }
    var sequences = [UInt32](repeating: 0, count: prompt.count)
    var targets: [(row: Int, token: Int)] = []
    for (index, completion) in completions.enumerated() {
      let first = tokens.count
      tokens += completion.dropLast()
      for offset in 0..<completion.count - 1 { positions.append(UInt32(prompt.count + offset)) }
      sequences += [UInt32](repeating: UInt32(1 + firstSequence + index), count: completion.count - 1)
      segments.append(first..<tokens.count)
      for (offset, token) in completion.enumerated() {
        targets.append((offset == 0 ? prompt.count - 1 : first + offset - 1, token))
      }
    }
    self.segments = segments
    self.tokens = tokens
    self.positions = positions
    self.sequences = sequences
    self.targets = targets
    targetCounts = completions.map(\.count)
  }

  /// Documents side by side, none of which attends to another: completions of an empty prompt. Only labelled tokens are
  /// targets.
  init(documents: [Document]) {
    var segments = [0..<0]
    var tokens: [Int] = []
    var positions: [UInt32] = []
    var sequences: [UInt32] = []
    var targets: [(row: Int, token: Int)] = []
    var counts: [Int] = []
    for (index, document) in documents.enumerated() {
      let first = tokens.count
      let before = targets.count
      tokens += document.tokens.dropLast()
      for offset in 1..<document.tokens.count {
        positions.append(UInt32(offset - 1))
        if document.isLabelled[offset] { targets.append((first + offset - 1, document.tokens[offset])) }
      }
      sequences += [UInt32](repeating: UInt32(1 + index), count: document.tokens.count - 1)
      segments.append(first..<tokens.count)
      counts.append(targets.count - before)
    }
    prompt = []
    completions = documents.map(\.tokens)
    self.segments = segments
    self.tokens = tokens
    self.positions = positions
    self.sequences = sequences
    self.targets = targets
    targetCounts = counts
  }

  var rowCount: Int { tokens.count }
  var promptCount: Int { prompt.count }
  /// Number of pairs of a row and a key that it sees, without a window.
  var attendedPairs: Int { positions.reduce(0) { $0 + Int($1) + 1 } }
  /// Number of keys that the last row of the longest completion sees.
  var maxKeys: Int { promptCount + (segments.dropFirst().map(\.count).max() ?? 0) }
}
