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
