extension [UInt8] {
  func lastRange(
    of text: String, from start: Int = 0, before end: Int? = nil, ignoresCase: Bool = false
  ) -> Range<Int>? {
    let wanted = Array(text.utf8)
    let bytes = span
    // A letter differs from its capital in one bit, which both sides mask out.
    let mask: UInt8 = ignoresCase ? 0xDF : 0xFF
    let first = wanted[0] & mask
    var index = Swift.min(end ?? count, count) - wanted.count
    while index >= start {
      if bytes[index] & mask == first, matches(wanted, at: index, mask) {
        return index..<(index + wanted.count)
      }
      index -= 1
    }
    return nil
  }

  func firstRange(of text: String, from start: Int, before end: Int? = nil) -> Range<Int>? {
    let wanted = Array(text.utf8)
    let bytes = span
    let last = Swift.min(end ?? count, count) - wanted.count
    var index = start
    while index <= last {
      if bytes[index] == wanted[0], matches(wanted, at: index, 0xFF) { return index..<(index + wanted.count) }
      index += 1
    }
    return nil
  }

  private func matches(_ wanted: [UInt8], at index: Int, _ mask: UInt8) -> Bool {
    for offset in wanted.indices {
      // Only letters have a case.
      let mask = wanted[offset].isLetter ? mask : 0xFF
      if self[index + offset] & mask != wanted[offset] & mask { return false }
    }
    return true
  }
}
