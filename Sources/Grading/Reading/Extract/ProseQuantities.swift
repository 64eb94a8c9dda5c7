/// Reads on behind a number in prose: what belongs to it and must not be dropped.
enum ProseQuantities {
  /// The end of the number's multiplier and unit: "2 million dollars", "3 hours 20 minutes", "5 m/s".
  static func end(_ bytes: [UInt8], _ start: Int, before end: Int) -> Int {
    let end = min(end, start + 120)
    var index = multiplierEnd(bytes, start, before: end)
    guard let (name, unitEnd) = unit(bytes, index, end) else { return index }
    index = unitEnd
    var unit = Unit(name)
    // The rest of a quantity in two units.
    for _ in 0..<3 {
      var next = index
      while next < end, " ,".utf8.contains(bytes[next]) { next += 1 }
      if let and = word(bytes, next, end), ["and", "et", "und"].contains(and.text) { next = and.end }
      while next < end, bytes[next] == UInt8(ascii: " ") { next += 1 }
      let digits = bytes[next..<max(next, end)].prefix { $0.isDigit || $0 == UInt8(ascii: ".") }
      guard digits.first?.isDigit == true, let (more, moreEnd) = self.unit(bytes, next + digits.count, end),
        let smaller = Units.continues(unit, Unit(more))
      else { break }
      index = moreEnd
      unit = smaller.size < .one ? Unit(more) : unit
    }
    return index
  }

  static func multiplierEnd(_ bytes: [UInt8], _ start: Int, before end: Int) -> Int {
    var index = start
    while let word = word(bytes, index, min(end, start + 60)), NumberWords.multiplier(word.text) != nil,
      !word.text.lowercased().hasPrefix("quarter"), word.text.utf8.count > 3 || word.text.utf8.first! >= 0x80
    {
      index = word.end
    }
    return index
  }

  /// A unit that measures, such as "cm", "m/s", "miles per hour".
  private static func unit(_ bytes: [UInt8], _ start: Int, _ end: Int) -> (String, Int)? {
    guard var current = word(bytes, start, end) else { return nil }
    var text = current.text
    var last = current.end
    func isKnown(_ text: String) -> Bool { !Units.measures(Unit(text)).isEmpty }
    let isShort = text.utf8.count < 3 && !UnitTable.unmistakable.contains(text)
    if isShort || ["square", "cubic", "sq", "cu"].contains(text) {
      // m/s, square feet
      let slash = last < end && bytes[last] == UInt8(ascii: "/")
      guard slash || text.utf8.count > 1, let next = word(bytes, slash ? last + 1 : last, end),
        isKnown(text + (slash ? "/" : " ") + next.text), slash || !isShort
      else {
        // "1 h 30 min"
        guard isKnown(text), let number = number(bytes, last, end), let more = word(bytes, number, end),
          Units.continues(Unit(text), Unit(more.text)) != nil
        else { return nil }
        return (text, last)
      }
      text += (slash ? "/" : " ") + next.text
      current = next
      last = next.end
    }
    guard isKnown(text), text != "unit", text != "units" else { return nil }
    while true {
      let rest = bytes[last..<end]
      if rest.starts(with: "²".utf8) || rest.starts(with: "³".utf8) {
        last += 2
      } else if rest.starts(with: "^2".utf8) || rest.starts(with: "^3".utf8) {
        last += 2
      } else if rest.first == UInt8(ascii: "/"), let next = word(bytes, last + 1, end),
        isKnown(text + "/" + next.text)
      {
        text += "/" + next.text
        last = next.end
      } else if let per = word(bytes, last, end), per.text == "per" || per.text == "an",
        let next = word(bytes, per.end, end),
        isKnown(text + " per " + next.text)
      {
        text += " per " + next.text
        last = next.end
      } else {
        return (text, last)
      }
    }
  }

  private static func number(_ bytes: [UInt8], _ start: Int, _ end: Int) -> Int? {
    var index = start
    while index < end, bytes[index] == UInt8(ascii: " ") { index += 1 }
    let first = index
    while index < end, bytes[index].isDigit { index += 1 }
    return index > first ? index : nil
  }

  /// The word behind at most two blanks. A Chinese word is as long as it is a unit or a multiplier.
  private static func word(_ bytes: [UInt8], _ start: Int, _ end: Int) -> (text: String, end: Int)? {
    var index = start
    while index < end, index < start + 3, " *$".utf8.contains(bytes[index]) { index += 1 }
    let first = index
    while index < end, index < first + 40, bytes[index].isLetter || bytes[index] >= 0x80 { index += 1 }
    // Combining marks are no words, and begin with these bytes.
    guard index > first, bytes[first] != 0xCC, bytes[first] != 0xCD else { return nil }
    let text = String(decoding: bytes[first..<index], as: UTF8.self)
    guard let scalar = text.unicodeScalars.first, scalar.value > 0x2E80 else {
      // ² and ³ are no letters.
      let letters = text.unicodeScalars.prefix { $0 != "²" && $0 != "³" }
      let word = String(String.UnicodeScalarView(letters))
      return word.isEmpty ? nil : (word, first + word.utf8.count)
    }
    for length in [4, 3, 2, 1] where text.unicodeScalars.count >= length {
      let head = String(String.UnicodeScalarView(text.unicodeScalars.prefix(length)))
      if NumberWords.multiplier(head) != nil || !UnitTable.entries(head).isEmpty {
        return (head, first + head.utf8.count)
      }
    }
    return nil
  }
}
