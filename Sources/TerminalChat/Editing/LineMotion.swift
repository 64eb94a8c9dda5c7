/// Where a cursor goes between the lines of a text.
enum LineMotion {
  /// The place above or below `cursor`, in the same column where the line is long enough; nil if there is no such line.
  static func place(from cursor: Int, in text: [Unicode.Scalar], up: Bool) -> Int? {
    let start = (text[..<cursor].lastIndex(of: "\n") ?? -1) + 1
    let column = cursor - start
    if up {
      guard start > 0 else { return nil }
      let above = (text[..<(start - 1)].lastIndex(of: "\n") ?? -1) + 1
      return min(above + column, start - 1)
    }
    guard let end = text[cursor...].firstIndex(of: "\n") else { return nil }
    let below = end + 1
    return min(below + column, text[below...].firstIndex(of: "\n") ?? text.count)
  }
}
