/// The ways to read a text.
enum Readings {
  /// The likeliest first. A comma may group thousands, separate items or begin decimals, which gives several.
  static func of(_ text: String, _ budget: Budget) throws -> (expressions: [Expression], hasProse: Bool) {
    let bytes = Array(text.utf8)
    let first = try Parser.parse(bytes, budget)
    var expressions = [try Normalization.normalize(first.expression, budget)]
    let plain = bytes.filter { $0 > 32 && $0 != UInt8(ascii: "$") }
    if let comma = plain.firstIndex(of: UInt8(ascii: ",")) {
      if plain.allSatisfy({ $0.isDigit || $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "-") }) {
        let commas = plain.filter { $0 == UInt8(ascii: ",") }.count
        let after = plain.count - comma - 1
        let isSolid = plain.count == bytes.filter { $0 != UInt8(ascii: "$") }.count
        if commas == 1, isSolid, after != 3 || plain.first == UInt8(ascii: "0"), after >= 2 {
          // 1000,99 as most of Europe writes it.
          var decimal = plain
          decimal[comma] = UInt8(ascii: ".")
          expressions.append(try Parser.parse(decimal, budget).expression)
        } else if isSolid, let list = try? Parser.parse(bytes, budget, commaGroupsThousands: false).expression
        {
          let list = try Normalization.normalize(list, budget)
          if list.key != expressions[0].key { expressions.append(list) }
        }
      }
    }
    return (expressions, first.hasProse)
  }
}
