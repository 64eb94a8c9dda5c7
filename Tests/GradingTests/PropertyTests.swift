import Grading
import TestSupport
import Testing

/// Random expressions, rewritten and changed.
@Suite struct PropertyTests {
  private indirect enum Tree {
    case number(Int), symbol(String), add(Tree, Tree), multiply(Tree, Tree), power(Tree, Int), root(Int)

    static func random(_ r: inout SeededGenerator, _ depth: Int) -> Tree {
      if depth == 0 || r.below(5) == 0 {
        switch r.below(4) {
        case 0, 1: return .number(r.below(19) + 1)
        case 2: return .symbol(["x", "y", "n"][r.below(3)])
        default: return .root(r.below(30) + 2)
        }
      }
      switch r.below(5) {
      case 0, 1: return .add(random(&r, depth - 1), random(&r, depth - 1))
      case 2, 3: return .multiply(random(&r, depth - 1), random(&r, depth - 1))
      default: return .power(random(&r, depth - 1), r.below(2) + 2)
      }
    }

    /// The tree in LaTeX; `r` chooses among spellings, orders and expansions that mean the same.
    func latex(_ r: inout SeededGenerator) -> String {
      switch self {
      case .number(let n):
        switch r.below(4) {
        case 0: return "\\frac{\(n * 3)}{3}"
        case 1: return "\(n).0"
        default: return "\(n)"
        }
      case .symbol(let name): return name
      case .root(let n): return r.below(2) == 0 ? "\\sqrt{\(n)}" : "\\frac{\\sqrt{\(4 * n)}}{2}"
      case .add(let a, let b):
        return r.below(2) == 0
          ? "(\(a.latex(&r))+\(b.latex(&r)))" : "\\left(\(b.latex(&r)) + \(a.latex(&r))\\right)"
      case .multiply(let a, .add(let b, let c)) where r.below(2) == 0:
        return "(\(a.latex(&r)) \\cdot \(b.latex(&r)) + \(c.latex(&r)) \\times \(a.latex(&r)))"
      case .multiply(let a, let b):
        return r.below(2) == 0
          ? "{\(a.latex(&r))} \\cdot {\(b.latex(&r))}" : "(\(b.latex(&r)))*(\(a.latex(&r)))"
      case .power(let a, let n):
        return r.below(2) == 0
          ? "(\(a.latex(&r)))^{\(n)}" : Array(repeating: "(\(a.latex(&r)))", count: n).joined(separator: "*")
      }
    }
  }

  @Test func rewritingKeepsAndChangingBreaksEquality() {
    var r = SeededGenerator(20_261_125)
    let grader = Grader()
    for _ in 0..<60 {
      let tree = Tree.random(&r, 3)
      let (a, b) = (tree.latex(&r), tree.latex(&r))
      let same = grader.grade(gold: a, prediction: b)
      #expect(same.outcome == .equal, "\(a) | \(b): \(same.why)")
      let changed = grader.grade(gold: a, prediction: b + "+\(r.below(3) + 1)")
      #expect(changed.outcome == .different, "\(a) | \(b): \(changed.why)")
    }
  }

  /// The order of the arguments never decides, apart from who may leave something out.
  @Test func equalityOfValuesIsSymmetric() {
    var r = SeededGenerator(7)
    let grader = Grader()
    for _ in 0..<40 {
      let tree = Tree.random(&r, 2)
      let other = Tree.random(&r, 2)
      let (a, b) = (tree.latex(&r), other.latex(&r))
      #expect(
        grader.grade(gold: a, prediction: b).outcome == grader.grade(gold: b, prediction: a).outcome,
        "\(a) | \(b)")
    }
  }

  @Test func randomTextsNeverCrash() {
    var r = SeededGenerator(99)
    let pieces = [
      "\\frac", "{", "}", "1", "2", "x", "^", "_", "(", ")", "[", "]", "\\{", "\\}", ",", ";", "\\sqrt", "+",
      "-", "*", "/", "=",
      "<", "\\le", "|", "!", "\\begin{pmatrix}", "\\end{pmatrix}", "&", "\\\\", "\\text{cm}", "%", "\\pm",
      "\\cup", "\\infty",
      "\\sin", "\\log_", "e", "i", "\\pi", "$", "\\boxed{", "</think>", "answer is ", "and", " ", ".", "0",
      "99", "\\left", "\\right",
      "\\binom", "\\lfloor", "\\rfloor", ":", "'", "^\\circ", "é", "\u{2212}", "\\", "\"", "\\overline",
      "1e9", "\\in", "\\mathbb", "\\text{ m/s}", "\\text{million}", "two ", "half", "0.333...", "0.(3)",
      "\\dot3", "p.m.", "\\$",
      "€", "万", "三百", "答案：", "٤", "\u{304}", "½", "\\Omega", " ft ", " in", "''", "{:}", "2,5", "1.234,56",
      "**",
    ]
    let grader = Grader()
    for _ in 0..<1500 {
      let gold = (0..<(1 + r.below(8))).map { _ in pieces[r.below(pieces.count)] }.joined()
      let prediction = (0..<(1 + r.below(20))).map { _ in pieces[r.below(pieces.count)] }.joined()
      #expect(!grader.grade(gold: gold, prediction: prediction).why.isEmpty)
    }
  }
}
