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
