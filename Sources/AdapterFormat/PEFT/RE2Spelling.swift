/// Translates a pattern of Python's `re` to RE2, and refuses what RE2 lacks or understands differently.
struct RE2Spelling {
  let scalars: [Unicode.Scalar]
  private var position = 0
  private var out = ""
  /// Steps of the pattern so far, its repetitions written out.
  private(set) var cost = 0
  /// Whether it repeats nothing and has no alternatives.
  private(set) var isName = true
  /// The most repetitions that the last `{…}` asks for.
  private var repetitions = 1

  init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

  /// The members of Python's classes. RE2's classes of these names hold only ASCII.
  private static let classes: [Unicode.Scalar: String] = [
    "d": "\\p{Nd}", "w": "\\pL\\pN_",
    "s":
      "\\s\\x0b\\x1c-\\x1f\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}",
  ]

  private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

  private mutating func take() -> Unicode.Scalar? {
    defer { if position < scalars.count { position += 1 } }
    return next
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard next == scalar else { return false }
    position += 1
    return true
  }

  /// The translated pattern; RE2 checks the rest of its grammar.
  mutating func spelled() throws(ModulePattern.Unsupported) -> String {
    var depth = 0
    var isAnchor = false
    var outer: [Int] = []  // the cost before each open group
    var last = 0  // the cost of what a quantifier repeats
    while let scalar = take() {
      let wasAnchor = isAnchor
      let start = position
      isAnchor = scalar == "^" || scalar == "$"
      var piece = String(scalar)
      switch scalar {
      case "\\": piece = try escape()
      case "[": piece = try set()
      case "(":
        depth += 1
        guard depth < 50 else { throw Self.refusal("groups nested deeper than 50") }
        if take("?"), !take(":") { throw Self.refusal("(?" + String(next ?? " ")) }
        piece = "(?:"
        outer.append(cost)
      case ")":
        depth -= 1
        guard depth >= 0 else { throw Self.refusal("a ) too many") }
      case "*", "+", "?", "{":
        if scalar == "{" { piece = try count() ?? "\\{" }
        if wasAnchor, piece != "\\{" { throw Self.refusal("a quantifier after ^ or $") }
      case ".", "^", "$", "|": break
      default: piece = Self.literal(scalar)
      }
      out += piece
      let isQuantifier = "*+?".unicodeScalars.contains(scalar) || (scalar == "{" && piece != "\\{")
      if isQuantifier {
        let times = scalar == "{" ? max(1, repetitions) : 1
        cost += last * (times - 1) + 1
        last *= times
      } else if scalar == ")" {
        cost += 1
        last = cost - outer.removeLast()
      } else {
        // Classes of Unicode are hundreds of ranges.
        last = (scalar == "\\" || scalar == "[") && piece.utf8.count > 2 ? 64 * (position - start) : 1
        cost += last
      }
      if isQuantifier || scalar == "|" { isName = false }
      guard cost <= ModulePattern.maximumCost else {
        throw Self.refusal("more than \(ModulePattern.maximumCost) steps, its repetitions written out")
      }
    }
    guard depth == 0 else { throw Self.refusal("a ( that is not closed") }
    return out
  }

  private static func refusal(_ reason: String) -> ModulePattern.Unsupported { .init(reason: reason) }

  private static func literal(_ scalar: Unicode.Scalar) -> String {
    let isPlain = !scalar.isASCII || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
    return (isPlain ? "" : "\\") + String(scalar)
  }

  /// The rest of `{m}`, `{m,}`, `{,n}` or `{m,n}`; nil for anything else, because the brace is literal then.
  private mutating func count() throws(ModulePattern.Unsupported) -> String? {
    guard let end = scalars[position...].firstIndex(of: "}"), end > position else { return nil }
    let parts = scalars[position..<end].split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count <= 2, parts.joined().allSatisfy({ ("0"..."9").contains($0) }) else { return nil }
    guard parts.allSatisfy({ $0.count <= 9 }) else { throw Self.refusal("too many repetitions") }
    position = end + 1
    repetitions = parts.compactMap { Int(String(String.UnicodeScalarView($0))) }.max() ?? 1
    // RE2 takes a count for text if a number is missing or begins with zero.
    let numbers = parts.map { Int(String(String.UnicodeScalarView($0))) }
    return "{\(numbers[0] ?? 0)" + (numbers.count == 2 ? "," + (numbers[1].map { "\($0)" } ?? "") : "") + "}"
  }

  private mutating func escape() throws(ModulePattern.Unsupported) -> String {
    guard let scalar = take() else { throw Self.refusal("a \\ at the end") }
    let lower = scalar.properties.lowercaseMapping.unicodeScalars.first ?? scalar
    if let members = Self.classes[lower], scalar.isASCII {
      return (scalar == lower ? "[" : "[^") + members + "]"
    }
    return Self.literal(try Self.escaped(scalar))
  }

  /// The meaning of a scalar after a backslash.
  private static func escaped(_ scalar: Unicode.Scalar) throws(ModulePattern.Unsupported) -> Unicode.Scalar {
    guard literal(scalar) != String(scalar) || !scalar.isASCII else { throw refusal("\\" + String(scalar)) }
    return scalar
  }

  /// The rest of a set after its `[`.
  private mutating func set() throws(ModulePattern.Unsupported) -> String {
    var set = take("^") ? "[^" : "["
    repeat {
      let low = try member()
      if next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" {
        position += 1
        guard let low = low.single, let high = try member().single, low <= high else {
          throw Self.refusal("a range in a set")
        }
        set += Self.literal(low) + "-" + Self.literal(high)
      } else {
        set += low.text
      }
    } while !take("]")
    return set + "]"
  }

  /// A member of a set: a scalar, or one of Python's classes.
  private mutating func member() throws(ModulePattern.Unsupported) -> (single: Unicode.Scalar?, text: String)
  {
    guard var scalar = take() else { throw Self.refusal("a [ that is not closed") }
    if scalar == "\\" {
      guard let escaped = take() else { throw Self.refusal("a [ that is not closed") }
      if let members = Self.classes[escaped] { return (nil, members) }
      scalar = try Self.escaped(escaped)
    }
    return (scalar, Self.literal(scalar))
  }
}
