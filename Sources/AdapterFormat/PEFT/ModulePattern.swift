/// A regular expression over module paths, as PEFT's `rank_pattern`, `alpha_pattern` and `target_modules`
/// use them.
///
/// Matching simulates all branches at once, so its time is bounded by pattern times text: a hostile pattern
/// cannot stall it. Look-around, back-references and flags are refused.
package struct ModulePattern: Sendable {
  /// What in a pattern is not understood.
  package struct Unsupported: Error {
    package let reason: String
  }

  /// How a pattern meets a path.
  package enum Mode: Sendable {
    /// `re.fullmatch(pattern, path)`.
    case whole
    /// `re.match("(.*\.)?(pattern)$", path)`: the end of a path, after a dot or from its beginning.
    case suffix
  }

  private enum Instruction: Sendable {
    case one(ScalarSet)
    case split(Int, Int)
    case jump(Int)
    case start
    case end
    case match
  }

  private struct ScalarSet: Sendable {
    var ranges: [ClosedRange<UInt32>] = []
    var isNegated = false
    func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } != isNegated }
    static func single(_ scalar: Unicode.Scalar) -> ScalarSet {
      ScalarSet(ranges: [scalar.value...scalar.value])
    }
    static let any = ScalarSet(ranges: [10...10], isNegated: true)
  }

  private indirect enum Node {
    case one(ScalarSet)
    case sequence([Node])
    case either([Node])
    case several(Node, atLeast: Int, atMost: Int?)
    case start
    case end
  }

  private var program: [Instruction] = []

  /// Translates a pattern.
  package init(_ text: String, _ mode: Mode) throws(Unsupported) {
    var parser = Parser(scalars: Array(text.unicodeScalars))
    guard parser.scalars.count <= 2000 else { throw Unsupported(reason: "longer than 2,000 characters") }
    let node = try parser.alternatives(depth: 0)
    guard parser.isAtEnd else { throw Unsupported(reason: "a ) too many") }
    if mode == .suffix {
      let prefix = Node.sequence([
        .several(.one(.any), atLeast: 0, atMost: nil), .one(.single(".")),
      ])
      try emit(.several(prefix, atLeast: 0, atMost: 1))
    }
    try emit(node)
    program.append(.end)
    program.append(.match)
  }

  /// Whether the path matches.
  package func matches(_ path: String) -> Bool {
    let text = path.unicodeScalars.map { $0.value }
    var current: [Int] = []
    var marks = [Int](repeating: -1, count: program.count)
    var stack: [Int] = []
    // Enters an instruction and all that it leads to without consuming a scalar.
    func enter(_ first: Int, at position: Int, into list: inout [Int]) -> Bool {
      stack = [first]
      while let pc = stack.popLast() {
        guard marks[pc] != position else { continue }
        marks[pc] = position
        switch program[pc] {
        case .one: list.append(pc)
        case .jump(let target): stack.append(target)
        case .split(let a, let b): stack += [a, b]
        case .start: if position == 0 { stack.append(pc + 1) }
        case .end: if position == text.count { stack.append(pc + 1) }
        case .match: return true
        }
      }
      return false
    }
    if enter(0, at: 0, into: &current) { return true }
    for (position, scalar) in text.enumerated() {
      var next: [Int] = []
      for pc in current {
        guard case .one(let set) = program[pc], set.contains(scalar) else { continue }
        if enter(pc + 1, at: position + 1, into: &next) { return true }
      }
      if next.isEmpty { return false }
      current = next
    }
    return false
  }

  private mutating func emit(_ node: Node) throws(Unsupported) {
    guard program.count < 20_000 else { throw Unsupported(reason: "too many repetitions") }
    switch node {
    case .one(let set): program.append(.one(set))
    case .start: program.append(.start)
    case .end: program.append(.end)
    case .sequence(let nodes): for node in nodes { try emit(node) }
    case .either(let nodes):
      var exits: [Int] = []
      for (i, node) in nodes.enumerated() {
        let split = program.count
        if i + 1 < nodes.count { program.append(.split(split + 1, 0)) }
        try emit(node)
        guard i + 1 < nodes.count else { break }
        exits.append(program.count)
        program.append(.jump(0))
        program[split] = .split(split + 1, program.count)
      }
      for exit in exits { program[exit] = .jump(program.count) }
    case .several(let node, let atLeast, let atMost):
      for _ in 0..<atLeast { try emit(node) }
      if let atMost {
        var splits: [Int] = []
        for _ in atLeast..<max(atMost, atLeast) {
          splits.append(program.count)
          program.append(.split(program.count + 1, 0))
          try emit(node)
        }
        for split in splits { program[split] = .split(split + 1, program.count) }
      } else {
        let split = program.count
        program.append(.split(split + 1, 0))
        try emit(node)
        program.append(.jump(split))
        program[split] = .split(split + 1, program.count)
      }
    }
  }

  private struct Parser {
    let scalars: [Unicode.Scalar]
    var position = 0

    var isAtEnd: Bool { position == scalars.count }
    var next: Unicode.Scalar? { isAtEnd ? nil : scalars[position] }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
      guard next == scalar else { return false }
      position += 1
      return true
    }

    mutating func alternatives(depth: Int) throws(Unsupported) -> Node {
      guard depth < 50 else { throw Unsupported(reason: "groups nested deeper than 50") }
      var branches = [try sequence(depth: depth)]
      while take("|") { branches.append(try sequence(depth: depth)) }
      return branches.count == 1 ? branches[0] : .either(branches)
    }

    mutating func sequence(depth: Int) throws(Unsupported) -> Node {
      var nodes: [Node] = []
      while let scalar = next, scalar != "|", scalar != ")" { nodes.append(try repeated(depth: depth)) }
      return .sequence(nodes)
    }

    mutating func repeated(depth: Int) throws(Unsupported) -> Node {
      let node = try atom(depth: depth)
      let bounds: (Int, Int?)
      if take("*") {
        bounds = (0, nil)
      } else if take("+") {
        bounds = (1, nil)
      } else if take("?") {
        bounds = (0, 1)
      } else if next == "{", let counted = count() {
        bounds = counted
      } else {
        return node
      }
      // A lazy quantifier matches the same paths as a greedy one; a possessive one does not.
      if !take("?"), let after = next, after == "*" || after == "+" {
        throw Unsupported(reason: "two quantifiers in a row")
      }
      if case .start = node { throw Unsupported(reason: "a quantifier after ^") }
      if case .end = node { throw Unsupported(reason: "a quantifier after $") }
      return .several(node, atLeast: bounds.0, atMost: bounds.1)
    }

    /// `{m}`, `{m,}`, `{,n}` or `{m,n}`; anything else in braces is literal, as in Python.
    mutating func count() -> (Int, Int?)? {
      guard let end = scalars[position...].firstIndex(of: "}") else { return nil }
      let text = String(String.UnicodeScalarView(scalars[position + 1..<end]))
      let parts = text.split(separator: ",", omittingEmptySubsequences: false)
      func number(_ part: Substring) -> Int? {
        !part.isEmpty && part.utf8.count <= 4 && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
          ? Int(part) : nil
      }
      switch parts.count {
      case 1:
        guard let n = number(parts[0]) else { return nil }
        position = end + 1
        return (n, n)
      case 2:
        let low = parts[0].isEmpty ? 0 : number(parts[0])
        guard let low, text != "," else { return nil }
        if parts[1].isEmpty {
          position = end + 1
          return (low, nil)
        }
        guard let high = number(parts[1]), high >= low else { return nil }
        position = end + 1
        return (low, high)
      default: return nil
      }
    }

    mutating func atom(depth: Int) throws(Unsupported) -> Node {
      let scalar = scalars[position]
      position += 1
      switch scalar {
      case ".": return .one(.any)
      case "^": return .start
      case "$": return .end
      case "*", "+", "?": throw Unsupported(reason: "a quantifier with nothing before it")
      case "\\":
        guard let escaped = next else { throw Unsupported(reason: "a \\ at the end") }
        position += 1
        return .one(try escape(escaped))
      case "[": return .one(try set())
      case "(":
        if take("?"), !take(":") { throw Unsupported(reason: "(?" + String(next ?? " ")) }
        let node = try alternatives(depth: depth + 1)
        guard take(")") else { throw Unsupported(reason: "a ( that is not closed") }
        return node
      default: return .one(.single(scalar))
      }
    }

    func escape(_ scalar: Unicode.Scalar) throws(Unsupported) -> ScalarSet {
      let digits: [ClosedRange<UInt32>] = [48...57]
      let word = digits + [65...90, 95...95, 97...122]
      let space: [ClosedRange<UInt32>] = [9...13, 32...32]
      switch scalar {
      case "d": return ScalarSet(ranges: digits)
      case "D": return ScalarSet(ranges: digits, isNegated: true)
      case "w": return ScalarSet(ranges: word)
      case "W": return ScalarSet(ranges: word, isNegated: true)
      case "s": return ScalarSet(ranges: space)
      case "S": return ScalarSet(ranges: space, isNegated: true)
      default:
        let isAlphanumeric = word.dropFirst().contains { $0.contains(scalar.value) } && scalar != "_"
        if isAlphanumeric || digits[0].contains(scalar.value) {
          throw Unsupported(reason: "\\" + String(scalar))
        }
        return .single(scalar)
      }
    }

    /// The rest of a set after its `[`.
    mutating func set() throws(Unsupported) -> ScalarSet {
      var result = ScalarSet(ranges: [], isNegated: take("^"))
      var isFirst = true
      while let scalar = next, scalar != "]" || isFirst {
        isFirst = false
        position += 1
        if scalar == "\\" {
          guard let escaped = next else { break }
          position += 1
          let inner = try escape(escaped)
          guard !inner.isNegated else { throw Unsupported(reason: "\\" + String(escaped) + " in a set") }
          result.ranges += inner.ranges
        } else if next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" {
          let high = scalars[position + 1]
          guard high != "\\", scalar <= high else { throw Unsupported(reason: "a range in a set") }
          position += 2
          result.ranges.append(scalar.value...high.value)
        } else {
          result.ranges.append(scalar.value...scalar.value)
        }
      }
      guard take("]") else { throw Unsupported(reason: "a [ that is not closed") }
      return result
    }
  }
}
