import Grading
import TestSupport
import Testing

/// Answers in prose that is no English, and digits of other scripts.
@Suite struct LanguageTests {
  private func expect(_ gold: String, _ prediction: String, _ expected: Verdict.Outcome) {
    let verdict = Grader().grade(gold: gold, prediction: prediction)
    #expect(verdict.outcome == expected, "\(gold) | \(prediction): \(verdict.why)")
  }

  @Test(arguments: [
    ("42", "所以答案是42。"), ("42", "答案：42"), ("42", "答案：４２"), ("13", "一共有3 + 10 = 13只鸟。"), ("3", "因此多 **3页**。"),
    ("192", "他的体重是192公斤。"),
    ("13/28", "计划的比例为13/28"), ("2/5", "答案：每份应该是 (\\frac{2}{5}) 吨。"),
    ("300", "12000升/40升/分钟=300分钟。因此，水将在300分钟内被放完。"), ("30000", "答案是3万。"),
    ("12", "正解は12です。答えは12。"), ("42", "정답은 42입니다."), ("42", "الجواب: ٤٢"), ("42", "الجواب هو ٤٢"),
    ("92", "ناتج العملية 79 * 2 - 66 هو **92**."),
    ("60", "لذا، سيوفر هشام **60 ريالاً** بعد 3 أسابيع."), ("3.5", "الإجابة: ٣٫٥"),
    ("67", "इसलिए, दुकान में अब 67 कमीजें हैं।"), ("४२", "42"), ("42", "उत्तर: ४२"), ("42", "सही उत्तर ४२ है।"),
    ("220", "Réponse: Janeth aura encore 220 $ à payer d'ici 12 mois."),
    ("18", "La respuesta es 18 dólares."), ("18", "Die Antwort lautet 18, nicht 12."),
    ("18", "Ответ: 18 рублей"), ("18", "Đáp án: 18"), ("\\frac12", "答案是$\\frac{1}{2}$。"),
    ("200\\text{ minutes}", "3 hours 20 minutes"), ("2.5", "Resposta: 2,5"),
    ("5", "5个"), ("5", "5 книг"), ("B", "正确答案是B。"), ("C", "所以选C。答案：C"), ("B", "B不是 A"), ("B", "B。 不是 A"),
  ])
  func right(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("3", "一共有3 + 10 = 13只鸟。"), ("3", "答案是3万。"), ("4", "答案：42"),
    ("3", "لذا، سيوفر هشام **60 ريالاً** بعد 3 أسابيع."),
    ("12", "Réponse: Janeth aura encore 220 $ à payer d'ici 12 mois."),
    ("2", "答案：\\frac{2}{5}"), ("12", "3只鸟和4只鹳鸟"), ("A", "正确答案是B。"), ("5", "$\\sum_{i} x_{i+5}$ 是答案"),
    ("24", "答案是42。"),
  ])
  func wrong(gold: String, prediction: String) { expect(gold, prediction, .different) }

  /// Swift compares texts by canonical equivalence, which is quadratic in runs of combining marks.
  @Test(
    arguments: [
      ("5", 0), ("5", 1), ("\\text{", 2), ("\\boxed{", 3), ("the answer is ", 4), ("答案：", 5), ("x", 6),
      ("0.", 7), ("\\", 8),
    ])
  func combiningMarks(prefix: String, seed: Int) {
    let pair = seed % 2 == 0 ? "\u{323}\u{307}" : "\u{307}\u{323}"
    let marks = prefix + String(repeating: pair, count: 65_536) + (prefix.hasSuffix("{") ? "}" : "")
    for (gold, prediction) in [(marks, "5"), ("5", marks), (marks, marks + "x"), ("e" + marks, "e" + marks)] {
      var outcome = Verdict.Outcome.different
      let seconds = processorSeconds { outcome = Grader().grade(gold: gold, prediction: prediction).outcome }
      #expect(seconds < 10)
      #expect(outcome != .equal || gold == prediction)
    }
  }

  @Test func canonicallyEquivalentWordsAreTheSame() {
    expect("\\text{caf\u{E9}s}", "cafe\u{301}s", .equal)
    expect("\\text{caf\u{E9}s}", "cafes", .different)
  }
}
