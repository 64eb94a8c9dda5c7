/// The ways to read a text.
enum Readings {
  /// The likeliest first. A comma may group thousands, separate items or begin decimals, and a letter may be a unit,
  /// which gives several.
  static func of(_ text: String, isGold: Bool, _ budget: Budget) throws -> (
    expressions: [Expression], hasProse: Bool
  ) {
    guard text.utf8.count <= 16_000 else { throw GradingError.outOfSteps }
    let bytes = Array(text.utf8)
    var expressions: [Expression] = []
    var hasProse = false
    var failure: (any Error)?
    do {
      let first = try Parser.parse(bytes, budget)
      expressions.append(try Normalization.normalize(first.expression, budget))
      hasProse = first.hasProse
    } catch {
      if (error as? GradingError)?.isTooMuchWork == true { throw error }
      failure = error
    }
    func add(_ bytes: [UInt8], _ notation: Notation) {
      guard let other = try? Parser.parse(bytes, budget, notation),
        hasProse || !other.hasProse || expressions.isEmpty,
        let expression = try? Normalization.normalize(other.expression, budget)
      else { return }
      if expressions.isEmpty { hasProse = other.hasProse }
      if !expressions.contains(where: { $0.key == expression.key }) { expressions.append(expression) }
    }
    if !hasProse {
      for other in numbers(bytes) { add(other, Notation()) }
      let commas = DecimalComma(bytes)
      if commas.isPlain, commas.isSolid, commas.count > 0 {
        if commas.mayBeDecimal, commas.digitsBehind >= 2 || !isGold {
          add(bytes, Notation(commaGroupsThousands: false, commaIsDecimal: true))
        } else {
          add(bytes, Notation(commaGroupsThousands: false))
        }
      } else if !isGold, commas.mayBeDecimal, commas.isAmount {
        add(bytes, Notation(commaGroupsThousands: false, commaIsDecimal: true))
      }
      if hasDigitsInBrackets(bytes) { add(bytes, Notation(bracketsRepeat: true)) }
      if hasLetterBehindNumber(bytes) { add(bytes, Notation(lettersAreUnits: true)) }
    }
    if expressions.isEmpty { throw failure ?? GradingError.malformed("nothing") }
    return (expressions, hasProse)
  }

  /// The one comma of 1000,99.
  private struct DecimalComma {
    var count = 0
    /// Whether there are digits, commas and minus signs only.
    var isPlain = true
    /// Whether no blank is between them.
    var isSolid = true
    var digitsBehind = 0
    var mayBeDecimal = false
    /// Whether only words or signs stand around the one number: 2,65 €. In x=2,5 the comma separates two values.
    var isAmount = false

    init(_ bytes: [UInt8]) {
      var place = 0
      for (index, byte) in bytes.enumerated() {
        switch byte {
        case UInt8(ascii: ","):
          count += 1
          place = index
        case UInt8(ascii: "-"), UInt8(ascii: "$"): break
        case ...32: isSolid = false
        default: if !byte.isDigit { isPlain = false }
        }
      }
      guard count == 1, place > 0, bytes[place - 1].isDigit else { return }
      let isNumber: (UInt8) -> Bool = { $0.isDigit || $0 == UInt8(ascii: ",") }
      let behind = bytes[place...].drop(while: isNumber)
      let ahead = bytes[..<place].reversed().drop(while: isNumber)
      isAmount =
        !bytes.contains(where: { "=+*/^<>([{_".utf8.contains($0) })
        && !behind.contains(where: \.isDigit) && !ahead.contains(where: \.isDigit)
      digitsBehind = bytes[(place + 1)...].prefix(while: \.isDigit).count
      let before = bytes[..<place].reversed().prefix(while: \.isDigit)
      // 1,234 is a thousand and more, 0,125 is an eighth.
      mayBeDecimal =
        digitsBehind > 0 && (digitsBehind != 3 || before.last == UInt8(ascii: "0") || before.count > 3)
    }
  }

  /// Numbers as parts of the world write them: 1.234.567, 1.234,56, 1'234'567.8 and 12,34,567.
  private static func numbers(_ bytes: [UInt8]) -> [[UInt8]] {
    guard bytes.count <= 80, !bytes.contains(where: { "([{".utf8.contains($0) }) else { return [] }
    let isPart: (UInt8) -> Bool = { $0.isDigit || ".,'".utf8.contains($0) }
    var runs: [Range<Int>] = []
    var index = 0
    while index < bytes.count {
      let first = index
      while index < bytes.count, isPart(bytes[index]) { index += 1 }
      var end = index
      while end > first, !bytes[end - 1].isDigit { end -= 1 }
      if bytes[first..<end].count(where: { !$0.isDigit }) > 0, bytes[first].isDigit {
        runs.append(first..<end)
      }
      index = max(index, first + 1)
    }
    // Two such numbers are a list.
    guard runs.count == 1 else { return [] }
    let plain = bytes[runs[0]]
    guard plain.count >= 7 else { return [] }
    func read(_ separator: UInt8, _ point: UInt8?, _ sizes: ([Int]) -> Bool) -> [UInt8]? {
      let halves =
        point.map { point in
          plain.split(separator: point, omittingEmptySubsequences: false)
        }
        ?? [plain]
      guard halves.count <= 2, halves.count == 1 || halves[1].allSatisfy(\.isDigit) && !halves[1].isEmpty
      else { return nil }
      let groups = halves[0].split(separator: separator, omittingEmptySubsequences: false)
      guard groups.count > 1, groups.allSatisfy({ $0.allSatisfy(\.isDigit) }), sizes(groups.map(\.count))
      else { return nil }
      var result = Array(bytes[..<plain.startIndex])
      result += groups.joined()
      if halves.count == 2 {
        result.append(UInt8(ascii: "."))
        result += halves[1]
      }
      return result + bytes[plain.endIndex...]
    }
    let thousands: ([Int]) -> Bool = { (1...3).contains($0[0]) && $0.dropFirst().allSatisfy { $0 == 3 } }
    let (point, comma, tick) = (UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: "'"))
    var results = [read(tick, point, thousands)]
    let hasComma = plain.contains(comma)
    results.append(read(point, hasComma ? comma : nil) { thousands($0) && (hasComma || $0.count > 2) })
    // Lakhs and crores.
    results.append(
      read(comma, point) {
        $0.count > 2 && (1...2).contains($0[0]) && $0.last == 3
          && $0.dropFirst().dropLast().allSatisfy { $0 == 2 }
      })
    return results.compactMap(\.self)
  }

  private static func hasDigitsInBrackets(_ bytes: [UInt8]) -> Bool {
    guard bytes.count <= 200 else { return false }
    for index in bytes.indices.dropFirst().dropLast()
    where bytes[index] == UInt8(ascii: "(") && bytes[index - 1].isDigit && bytes[index + 1].isDigit {
      return bytes[..<index].contains(UInt8(ascii: "."))
    }
    return false
  }

  /// 45 m, 60\,\frac{m}{s}
  private static func hasLetterBehindNumber(_ bytes: [UInt8]) -> Bool {
    guard bytes.count <= 200 else { return false }
    var sawNumber = bytes.first?.isDigit == true
    for index in bytes.indices.dropFirst() {
      let (byte, before) = (bytes[index], bytes[index - 1])
      if byte.isDigit { sawNumber = true }
      if sawNumber, byte.isLetter, " ~,;:".utf8.contains(before) { return true }
      // 10pm
      if before.isDigit, "apAP".utf8.contains(byte), index + 1 < bytes.count,
        bytes[index + 1] | 0x20 == UInt8(ascii: "m")
      {
        return true
      }
      if sawNumber, byte == UInt8(ascii: "\\"), index + 4 < bytes.count,
        bytes[index + 1] == UInt8(ascii: "f") || bytes[index + 2] == UInt8(ascii: "f")
      {
        return true
      }
    }
    return false
  }
}
