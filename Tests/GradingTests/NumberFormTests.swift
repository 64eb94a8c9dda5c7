import Grading
import Testing

/// Numbers in words, repeating decimals, and notations that once could not be read.
@Suite struct NumberFormTests {
  private func expect(_ gold: String, _ prediction: String, _ expected: Verdict.Outcome) {
    let verdict = Grader().grade(gold: gold, prediction: prediction)
    #expect(verdict.outcome == expected, "\(gold) | \(prediction): \(verdict.why)")
  }

  @Test(arguments: [
    ("1.5\\text{ million}", "1500000"), ("1,500,000", "\\boxed{1.5\\text{ million}}"),
    ("10\\text{ thousand}", "10000"),
    ("2 billion", "2\\times10^9"), ("2 billion", "2{,}000\\text{ million}"),
    ("3\\text{ trillion}", "3\\cdot10^{12}"),
    ("2\\text{ dozen}", "24"), ("24", "two dozen"), ("6", "half a dozen"), ("500000", "half a million"),
    ("1000000", "one million"),
    ("1000000", "a million"), ("21", "twenty-one"), ("21", "\\text{twenty-one}"), ("twenty one", "21"),
    ("205", "two hundred and five"),
    ("123456", "one hundred twenty-three thousand four hundred fifty-six"), ("12", "twelve"),
    ("2/3", "two thirds"), ("3/4", "three-quarters"),
    ("1/2", "one half"), ("0.5", "half"), ("5/2", "two and a half"), ("20\\%", "twenty percent"),
    ("0.02", "2\\text{ hundredths}"),
    ("200", "2 hundred"), ("5\\text{ million dollars}", "\\$5{,}000{,}000"), ("12 eggs", "twelve eggs"),
    ("300000", "3 lakh"),
    ("20000000", "2 crore"), ("30000", "3万"), ("150000000", "1.5亿"), ("30000", "3万元"), ("321", "三百二十一"),
    ("\\frac34", "四分之三"), ("7500000", "7.5 million"),
    ("5000000", "5 millones"),
    ("2000000", "The city has 2 million people."), ("2000000", "\\boxed{2}\\text{ million}"),
    ("2000000", "So it is $2$ million."),
    ("5000000000", "5 Milliarden"), ("12", "The answer is twelve."),
  ])
  func words(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("2\\text{ billion}", "2\\text{ million}"), ("1.5\\text{ million}", "1.5"), ("2", "2 million"),
    ("2", "\\boxed{2}\\text{ million}"),
    ("2", "The city has 2 million people."), ("2\\text{ dozen}", "2"), ("3", "3万"), ("3万", "3亿"),
    ("20", "twenty-one"), ("1", "twenty-one"),
    ("2", "two hundred"), ("102", "one hundred and three"), ("3", "one two"), ("15", "ten five"),
    ("12", "one, two"), ("2", "\\boxed{2} billion"),
    ("20/3", "twenty-third"), ("5\\text{ thousand}", "5\\text{ hundred}"), ("2", "two thirds"),
    ("3", "2\\text{ zillion}"), ("2", "2\\text{ zillion}"),
  ])
  func otherWords(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test(arguments: [
    ("\\frac13", "0.\\overline{3}"), ("\\frac13", "0.\\overline3"), ("\\frac13", "0.\\bar3"),
    ("\\frac13", "0.\\dot3"), ("\\frac13", "0.\\dot{3}"),
    ("\\frac13", "0.333..."), ("\\frac13", "0.333\\ldots"), ("\\frac13", "0.333\\dots"),
    ("\\frac13", "0.333…"), ("\\frac13", "0.33..."),
    ("\\frac13", "0.(3)"), ("\\frac13", "0.3\u{304}"), ("\\frac13", "0.3\u{305}"), ("\\frac43", "1.\\dot{3}"),
    ("\\frac{20}{33}", "0.(60)"),
    ("\\frac{20}{33}", "0.\\overline{60}"), ("\\frac{20}{33}", "0.\\dot6\\dot0"),
    ("\\frac{20}{33}", "0.6\u{305}0\u{305}"), ("\\frac16", "0.1666..."),
    ("\\frac16", "0.1(6)"), ("\\frac16", "0.1\\dot6"), ("\\frac17", "0.\\dot14285\\dot7"),
    ("\\frac17", "0.142857142857\\ldots"), ("\\frac{3}{22}", "0.13636..."),
    ("1", "0.999\\ldots"), ("-\\frac13", "-0.333..."), ("0.\\overline{3}", "1/3"), ("0.(3)", "0.\\dot3"),
    ("33\\frac13\\%", "33.333\\ldots\\%"),
    ("\\pi", "3.14159..."), ("\\sqrt5", "2.23606\\ldots"), ("\\frac13", "So it is 0.333..."),
    ("\\frac13", "The answer is 0.(3)"),
  ])
  func repeating(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("\\frac13", "0.3"), ("0.\\overline{3}", "0.3"), ("0.\\overline{3}", "0.333"), ("0.333", "0.333..."),
    ("\\frac{20}{33}", "0.60"), ("0", "0.(60)"),
    ("\\frac13", "0.\\overline{30}"), ("\\pi", "3.14..."), ("\\pi", "3.141..."), ("e", "2.7(1828)"),
    ("\\frac16", "0.\\overline{16}"), ("\\frac{1}{30}", "0.333..."),
    ("0.3", "0.3..."), ("\\frac{3}{10}", "0.\\dot3"),
  ])
  func otherRepeating(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test(arguments: [
    ("2^6\\cdot3^5\\cdot5^4", "2^6 3^5 5^4"), ("64\\cdot243", "2^6 3^5"), ("(v_0)^2", "v^2_0"),
    ("\\frac{v_0^2}{2g}", "\\frac{v^2_0}{2g}"),
    ("x_1^2+x_2^2", "x^2_1+x^{2}_{2}"), ("\\cot x", "\\cotx"), ("\\sin x", "\\sinx"),
    ("\\sec\\theta", "\\sec\\theta"), ("\\ln x", "\\lnx"),
    ("\\csc x+\\cot x", "\\cscx+\\cotx"), ("-3\\le x\\le3", "|x|\\le3"), ("|x|<3", "(-3,3)"),
    ("|x|>2", "(-\\infty,-2)\\cup(2,\\infty)"),
    ("1\\leq|z|\\leq\\frac32", "z\\in[-\\frac32,-1]\\cup[1,\\frac32]"), ("|x-1|<2", "(-1,3)"),
    ("|x|\\ge2", "x\\le-2\\text{ or }x\\ge2"),
  ])
  func notations(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("2", "The sum is \\sum_{k=1}^{n} F_k = F_{n+2}"), ("2", "We find F_{n+2}."),
    ("2", "$\\sum_{k=1}^n F_k = F_{n+2}$"), ("1", "the sum is n + 1"),
    ("3", "so it is 5x+3"), ("3", "It equals \\sqrt{3}."), ("2", "This gives a_2"),
    ("3", "the point is f(3)"), ("1", "It is \\frac{2}{1+x} then"), ("2", "It is x^2"),
    ("64", "2^6 3^5"), ("2^{63}\\cdot 5", "2^6 3^5"), ("v^2", "v^2_0"), ("|z|<2", "z<2"),
    ("[1,\\frac32]", "1\\le|x|\\le\\frac32"), ("|x|<3", "(0,3)"),
    ("|x|\\le3", "(-3,3)"), ("\\tan x", "\\cotx"),
  ])
  func otherNotations(gold: String, prediction: String) { expect(gold, prediction, .different) }
}
