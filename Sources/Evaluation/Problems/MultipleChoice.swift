import ModelFiles

/// A problem with one right answer and three wrong ones, in the layout of GPQA.
struct MultipleChoice {
  let problem: Problem

  /// Nil if the object is not laid out so. Where the right answer stands is drawn by the problem's place in
  /// the file: always the same, and spread over the letters.
  init?(_ object: JSONObject, index: Int) {
    guard let question = object["Question"]?.string, let right = object["Correct Answer"]?.string else {
      return nil
    }
    let wrong = (1...3).compactMap { object["Incorrect Answer \($0)"]?.string }
    guard wrong.count == 3 else { return nil }
    // SplitMix64's finaliser.
    var mix = UInt64(index) &* 0x9e37_79b9_7f4a_7c15 &+ 0x9e37_79b9_7f4a_7c15
    mix = (mix ^ mix >> 30) &* 0xbf58_476d_1ce4_e5b9
    mix = (mix ^ mix >> 27) &* 0x94d0_49bb_1331_11eb
    let place = Int((mix ^ mix >> 31) % 4)
    var choices = wrong
    choices.insert(right, at: place)
    let letters = ["A", "B", "C", "D"]
    let lines = zip(letters, choices).map { "\($0)) \(Self.trimmed($1))" }
    problem = Problem(
      id: object["Record ID"]?.string ?? String(index),
      text: Self.trimmed(question) + "\n\n" + lines.joined(separator: "\n"), answer: letters[place])
  }

  private static func trimmed(_ text: String) -> String {
    var part = Substring(text)
    while let last = part.last, last.isWhitespace { part.removeLast() }
    return String(part.drop { $0.isWhitespace })
  }
}
