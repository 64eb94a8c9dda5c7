import ModelFiles
import Support

/// A problem with one right answer and three wrong ones, in the layout of GPQA.
struct MultipleChoice {
  let problem: Problem

  /// Nil if the object is not laid out so. The problem's place in the file draws the letter of the right answer: always
  /// the same one, and spread over the letters.
  init?(_ object: JSONObject, index: Int) {
    guard let question = object["Question"]?.string, let right = object["Correct Answer"]?.string else {
      return nil
    }
    let wrong = (1...3).compactMap { object["Incorrect Answer \($0)"]?.string }
    guard wrong.count == 3 else { return nil }
    var random = SplitMix64(state: UInt64(index) &* SplitMix64.increment)
    let place = Int(random.next() % 4)
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
