import Grading
import Support

/// Rewards that read the text alone.
enum TextRewards {
  /// 1 if the thinking ends exactly once, on a line of its own. Answer tags are not needed.
  static func format(_ text: String) -> Double { ThinkingFormat.isKept(by: text) ? 1 : 0 }

  /// One half for each thinking tag that occurs exactly once and ends its line; the closing one must also begin its
  /// line.
  static func tagCount(_ text: String) -> Double {
    (text.occurrences(of: "<think>\n") == 1 ? 0.5 : 0) + format(text) / 2
  }

  /// One third for each mark of a reasoning step, at most 1: `Step 3:`, a list's item, `First,`, `Second,`, `Next,`,
  /// `Finally,`, or a number and a full stop at the text's beginning.
  static func reasoningSteps(_ text: String) -> Double {
    let scalars = Array(text.unicodeScalars)
    let words = ["\n-", "\n*", "First,", "Second,", "Next,", "Finally,"].map { Array($0.unicodeScalars) }
    let step = Array("Step ".unicodeScalars)
    func isDigit(_ i: Int) -> Bool {
      i < scalars.count && scalars[i].properties.generalCategory == .decimalNumber
    }
    func matches(_ word: [Unicode.Scalar], _ i: Int) -> Bool {
      i + word.count <= scalars.count && word.indices.allSatisfy { scalars[i + $0] == word[$0] }
    }
    /// The place after digits from `i` on that `end` follows; nil when there are none.
    func number(_ i: Int, _ end: Unicode.Scalar) -> Int? {
      var j = i
      while isDigit(j) { j += 1 }
      return j > i && j < scalars.count && scalars[j] == end ? j + 1 : nil
    }
    var found = 0
    var i = 0
    while i < scalars.count {
      var next: Int?
      if matches(step, i) { next = number(i + step.count, ":") }
      if next == nil, i == 0 { next = number(0, ".") }
      if next == nil, let word = words.first(where: { matches($0, i) }) { next = i + word.count }
      if next != nil { found += 1 }
      i = next ?? i + 1
    }
    return min(1, Double(found) / 3)
  }

  /// The share of repeated n-grams of words, times the penalty.
  static func repetition(_ text: String, n: Int, maxPenalty: Double) -> Double {
    let words = text.lowercased().split(whereSeparator: \.isWhitespace)
    guard words.count >= n, n > 0 else { return 0 }
    var seen: Set<[Substring]> = []
    let total = words.count - n + 1
    for i in 0..<total { seen.insert(Array(words[i..<i + n])) }
    return (1 - Double(seen.count) / Double(total)) * maxPenalty
  }
}
