import Grading
import Testing

/// Pairs of answers, by the convention that they show.
@Suite struct EqualityTests {
  private func expect(
    _ gold: String, _ prediction: String, _ expected: Verdict.Outcome, _ options: GradingOptions = .init()
  ) {
    let verdict = Grader(options: options).grade(gold: gold, prediction: prediction)
    #expect(verdict.outcome == expected, "\(gold) | \(prediction): \(verdict.why)")
    #expect(verdict.why.hasSuffix("."))
  }

  @Test(arguments: [
    ("1000", "1,000"), ("1000", "1 000"), ("10,\\!080", "10080"), ("14{,}916", "14916"),
    ("1000.99", "1000,99"),
    ("0.5", "1/2"), (".5", "0.50"), ("\\frac43", "\\dfrac{4}{3}"), ("\\frac1{72}", "1/72"),
    ("-\\frac12", "\\frac{-1}{2}"),
    ("1\\frac{4}{5}", "1.8"), ("2 1/2", "5/2"), ("0.1\\overline{6}", "1/6"),
    ("6.02\\times10^{23}", "6.02e23"),
    ("1.77e-6", "1.77e−6"), ("2^{10}", "1024"), ("7!", "5040"), ("\\binom{5}{2}", "10"), ("0x+3", "3"),
    ("11", "1011_2"), ("204_5", "54_{10}"), ("204_5", "204"), ("-1./3", "-\\frac13"),
    ("\\lfloor 7/2\\rfloor", "3"),
  ])
  func numbers(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("1000", "1,001"), ("32349", "32, 349"), ("1,234", "1.234"), ("50", "0.5"), ("10^{100}", "10^{100}+1"),
    ("\\frac{1}{23}", "\\frac{12}{3}"), ("23", "2*3"), ("2\\frac12", "1"), ("1112112_3", "1112122_3"),
    ("2", "AZYUK2A"),
    ("\\frac{100!}{2^{50}}", "\\frac{100!}{2^{51}}"), ("1011_2", "11"), ("0", "no solution"),
    ("4", "thediff4"),
    ("16386.20", "16386.24"), ("12:00", "1:00"), ("\\frac{1}{2}", "\\frac{2}{1}"),
  ])
  func otherNumbers(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test(arguments: [
    ("\\sqrt{2}+\\sqrt{3}", "\\sqrt{5+2\\sqrt{6}}"), ("2\\sqrt3", "\\sqrt{12}"),
    ("\\frac{\\sqrt3}{3}", "1/\\sqrt{3}"),
    ("\\sqrt[3]{-8}", "-2"), ("\\cos^{-1}\\frac12", "\\frac\\pi3"), ("\\sin 30^\\circ", "0.5"),
    ("\\log_2 8", "3"),
    ("e^{i\\pi}", "-1"), ("\\frac{1}{1+i}", "\\frac{1-i}{2}"), ("\\sqrt{-4}", "2i"),
    ("\\ln 2+i\\pi/3", "i\\pi/3+\\ln 2"),
    ("\\frac{5\\sqrt{42}}{27}", "\\frac{10\\sqrt{10.5}}{27}"), ("1+2\\sqrt3", "2\\sqrt{3}+1"),
    ("11\\sqrt2", "11*sqrt(2)"),
  ])
  func irrationals(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  /// e^{π√163} and the integer share 30 digits; the others are near misses of other kinds.
  @Test(arguments: [
    ("e^{\\pi\\sqrt{163}}", "262537412640768744"), ("3.14", "\\pi"), ("3", "\\pi"), ("\\pi", "22/7"),
    ("\\sqrt2", "1.414"),
    ("\\sqrt{2}+\\sqrt{3}", "\\pi"), ("\\pi", "3.1415"), ("1+i", "1-i"),
  ])
  func nearMisses(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test(arguments: [
    ("1-2\\sin^2 x", "\\cos 2x"), ("\\tan^2(y)+1", "\\sec^2(y)"), ("(1+x)^3", "1+3x+3x^2+x^3"),
    ("2x(x+1)", "2*x^2+2x"),
    ("\\frac{x+2}{7}", "\\frac{x}{7}+\\frac{2}{7}"), ("\\ln x^2", "2\\ln x"), ("|x|", "\\sqrt{x^2}"),
    ("\\binom{2n}{n}", "\\frac{(2n)!}{(n!)^2}"), ("\\lfloor n/2\\rfloor+\\lceil n/2\\rceil", "n"),
    ("(-1)^n", "\\cos(n\\pi)"), ("n(n+1)/2", "\\frac{n^2+n}{2}"),
    ("\\frac{1}{3x^{2/3}}", "\\frac{1}{3\\sqrt[3]{x}^2}"),
  ])
  func expressions(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("x", "|x|"), ("x", "\\sqrt{x^2}"), ("\\lfloor x\\rfloor", "x"), ("x+y", "x+z"), ("2^n", "n^2"),
    ("0", "\\sin(\\pi x)"),
    ("\\binom{2n}{n}", "\\frac{(2n)!}{n!}"), ("I(0)", "0"), ("f(x)", "f(y)"), ("(a+5)(b+2)", "(+5)(b+2)"),
    ("xyz", "XYZ"),
    ("(-1)^n", "(-1)^{n+1}"), ("x+2n+1", "x+1"),
  ])
  func otherExpressions(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test(arguments: [
    ("x=5", "5"), ("5", "x=5"), ("x = 11", "x = 5+5+1 = 7 = 11"), ("1/3", "x=1/3\\approx 1.3"),
    ("11", "x\\approx 11"),
    ("y=2x+3", "2x-y+3=0"), ("x<1", "-x>-1"), ("x\\ge 5", "5\\le x"), ("x\\ne 5", "x != 5"),
    ("1<x<2", "2>x>1"),
    ("x>5", "(5,\\infty)"), ("-2\\le x\\le 7", "x\\in[-2,7]"),
    ("x<1 \\text{ or } x>5", "(-\\infty,1)\\cup(5,\\infty)"),
    ("(p,q,r)=(3,2,7)", "(3,2,7)"), ("|AB|=1", "1"), ("f(x)=2x", "2x"), ("\\frac{NO}{BO}=\\frac12", "0.5"),
    ("x=1,y=2", "y=2,x=1"), ("(2,3)", "x=2,y=3"), ("p=5,q=2;p=7,q=2", "(5,2),(7,2)"), ("S:T=7:32", "7:32"),
  ])
  func relations(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("y=2x", "x=2y"), ("x=1,y=2", "x=2,y=1"), ("(x-1)(y-2)=0", "y=2"), ("x^2=4", "x=2"), ("x<1", "x>1"),
    ("x<1", "x\\le 1"),
    ("7=11a+c", "11a+c"), ("a+3z=0", "0"), ("1<x<2", "1\\le x<2"), ("x=5", "y=5"),
  ])
  func otherRelations(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test(arguments: [
    ("1, 2", "2, 1"), ("1,2", "\\{2,1\\}"), ("2, 3", "2 and 3"), ("\\pm 2", "\\{-2,2\\}"),
    ("3\\pm\\sqrt5", "3-\\sqrt5, 3+\\sqrt5"),
    ("(1,3)", "{1,3}"), ("(-\\infty,2)\\cup(2,\\infty)", "\\mathbb{R}\\setminus\\{2\\}"),
    ("[0,2]", "[0,1)\\cup[1,2]"),
    ("(2,12)\\cup(12,102)", "(12,102)\\cup(2,12)"), ("(\\frac35,\\frac83]", "(0.6,2.6667]"),
    ("\\{x|x>2\\}", "(2,\\infty)"),
    ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\left(1,2\\right)"), ("\\emptyset", "\\{\\}"),
    (
      "\\begin{pmatrix}6&8\\\\10&12\\end{pmatrix}",
      "\\begin{bmatrix}1&2\\\\3&4\\end{bmatrix}+\\begin{bmatrix}5&6\\\\7&8\\end{bmatrix}"
    ),
  ])
  func collections(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("(3,1)", "{1,3}"), ("(1,2)", "(2,1)"), ("(1,2)", "\\{1,2\\}"), ("[0,1)", "(0,1)"),
    ("[0,2]", "[0,1)\\cup(1,2]"),
    ("\\pm 2021", "2021"), ("[x,y)", "[1,2)"), ("\\{1,2\\}", "\\{1,3\\}"), ("\\infty", "-\\infty"),
    ("1,2,3", "1,2"),
    ("\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"),
  ])
  func otherCollections(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test(arguments: [
    ("28\\%", "28"), ("28\\%", "0.28"), ("0.5", "50\\%"), ("28\\%", "28 percent"), ("90^\\circ", "90"),
    ("\\frac{2\\pi}{3}", "120°"),
    ("15\\mbox{ cm}^2", "15"), ("5", "5\\text{ apples}"), ("100\\text{ cm}", "1\\text{ m}"),
    ("\\$36", "36 dollars"),
    ("30\\text{ minutes}", "0.5\\text{ hours}"), ("864\\mbox{ inches}^2", "864 \\text{ square inches}"),
  ])
  func units(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("5\\text{ cm}", "5\\text{ m}"), ("15\\mbox{ cm}^2", "15\\mbox{ cm}^3"), ("28\\%", "2.8"),
    ("5\\text{ kg}", "5\\text{ s}"),
  ])
  func otherUnits(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test(arguments: [
    ("\\text{Evelyn}", "Evelyn"), ("east", "\\text{East}"), ("\\text{(C)}", "C"),
    ("C", "The answer is (C) 12."),
    ("B", "Because B is valid"), ("D", "\\boxed{\\textbf{(D)}~12}"), ("\\text{E}", "E"),
    ("a", "The answer is a."),
  ])
  func words(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("east", "west"), ("C", "(B)"), ("42", ""), ("42", "  \n"), ("42", "</think>"), ("42", "\\boxed{}"),
  ])
  func otherWords(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test func conventionsCanBeSwitched() {
    var options = GradingOptions()
    options.orderMattersInLists = true
    expect("1,2", "2,1", .different, options)
    options.percentSignIsOptional = false
    expect("28\\%", "28", .different, options)
    expect("28\\%", "0.28", .equal, options)
    options.degreeSignIsOptional = false
    expect("90^\\circ", "90", .different, options)
    options.unitIsOptional = false
    expect("5\\text{ cm}", "5", .different, options)
    options.leftSideIsOptional = false
    expect("5", "x=5", .different, options)
    options.vectorEqualsTuple = false
    expect("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "(1,2)", .different, options)
    options.baseIsOptional = false
    expect("204_5", "204", .different, options)
    options.decimals = .exact
    expect("8/3", "2.6667", .different, options)
    options.decimals = .rounded(minimumDigits: 3)
    expect("\\pi", "3.14", .equal, options)
  }
}
