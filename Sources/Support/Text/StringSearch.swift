extension String {
  /// The number of occurrences that do not overlap, as Python's `count` counts them; none of an empty text.
  package func occurrences(of wanted: String) -> Int {
    let (bytes, wanted) = (Array(utf8), Array(wanted.utf8))
    var found = 0
    var i = 0
    while !wanted.isEmpty, i + wanted.count <= bytes.count {
      if bytes[i] == wanted[0], bytes[i..<i + wanted.count].elementsEqual(wanted) {
        found += 1
        i += wanted.count
      } else {
        i += 1
      }
    }
    return found
  }

  /// The text with every occurrence of one text's bytes replaced by those of another.
  package func replacing(bytesOf old: String, with new: String) -> String {
    let (bytes, old, new) = (Array(utf8), Array(old.utf8), Array(new.utf8))
    guard let first = old.first else { return self }
    var result: [UInt8] = []
    var i = 0
    while i < bytes.count {
      if bytes[i] == first, bytes[i...].starts(with: old) {
        result += new
        i += old.count
      } else {
        result.append(bytes[i])
        i += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

extension BidirectionalCollection<UInt8> {
  /// How many of the last bytes are the first bytes of `text`, which is not all there. Linear in the length of `text`.
  package func overlap(withStartOf text: [UInt8]) -> Int {
    let end = suffix(Swift.max(0, text.count - 1))
    // Knuth, Morris and Pratt: fallback[n] is the longest proper end of the first n bytes that begins them.
    var fallback = [0, 0]
    var matched = 0
    for i in text.indices.dropFirst().dropLast() {
      while matched > 0, text[i] != text[matched] { matched = fallback[matched] }
      if text[i] == text[matched] { matched += 1 }
      fallback.append(matched)
    }
    matched = 0
    for byte in end {
      while matched > 0, byte != text[matched] { matched = fallback[matched] }
      if byte == text[matched] { matched += 1 }
    }
    return matched
  }
}

extension StringProtocol {
  /// Where the bytes of a text stand last; nil if nowhere, and for an empty text. With a short wanted
  /// text the time is linear in any text, as that of searching by characters is not.
  package func lastRange(ofBytes wanted: String) -> Range<Index>? {
    let (bytes, wanted) = (Array(utf8), Array(wanted.utf8))
    guard let first = wanted.first else { return nil }
    for i in stride(from: bytes.count - wanted.count, through: 0, by: -1)
    where bytes[i] == first && bytes[i..<i + wanted.count].elementsEqual(wanted) {
      let start = utf8.index(utf8.startIndex, offsetBy: i)
      return start..<utf8.index(start, offsetBy: wanted.count)
    }
    return nil
  }

  /// Where the bytes of a text stand first; nil if nowhere, and for an empty text.
  package func firstRange(ofBytes wanted: String) -> Range<Index>? {
    let (bytes, wanted) = (Array(utf8), Array(wanted.utf8))
    guard let first = wanted.first, wanted.count <= bytes.count else { return nil }
    for i in 0...bytes.count - wanted.count
    where bytes[i] == first && bytes[i..<i + wanted.count].elementsEqual(wanted) {
      let start = utf8.index(utf8.startIndex, offsetBy: i)
      return start..<utf8.index(start, offsetBy: wanted.count)
    }
    return nil
  }
}
