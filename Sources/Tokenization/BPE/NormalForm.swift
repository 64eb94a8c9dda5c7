import Foundation
import Support

/// Unicode's normal form C, in time linear in the text.
///
/// Foundation's takes time quadratic in a run of combining marks. It gets runs of ordinary length; longer ones are
/// sorted here by counting, and composed with what Foundation says of two scalars.
enum NormalForm {
  /// The longest run that Foundation gets.
  private static let ordinaryRun = 64

  /// The form of valid UTF-8.
  static func composed(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    let text = String(decoding: bytes, as: UTF8.self)
    let scalars = text.unicodeScalars
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    var composer = MarkComposer()
    var begin = scalars.startIndex  // of what is not written yet
    var run = begin  // where the marks before `i` begin
    var count = 0
    var i = begin
    while i < scalars.endIndex {
      let isCombining = scalars[i].isCombining
      if isCombining {
        if count == 0 { run = i }
        count += 1
      }
      let next = scalars.index(after: i)
      if count > ordinaryRun, !isCombining || next == scalars.endIndex {
        let end = isCombining ? next : i
        let start = out.count
        out += scalars[begin..<run].foundationForm.utf8
        composer.append(scalars[run..<end], to: &out, from: start)
        begin = end
      }
      if !isCombining { count = 0 }
      i = next
    }
    out += scalars[begin...].foundationForm.utf8
    return out
  }
}

extension Substring.UnicodeScalarView {
  fileprivate var foundationForm: String { String(self).precomposedStringWithCanonicalMapping }
}

/// Appends long runs of marks to a normalised text, and composes them with the scalar before them.
private struct MarkComposer {
  private var decompositions: [Unicode.Scalar: [Unicode.Scalar]] = [:]
  private var compositions: [[Unicode.Scalar]: Unicode.Scalar?] = [:]

  /// - Parameter start: where in `out` the text that may compose with the marks begins.
  mutating func append(_ marks: Substring.UnicodeScalarView, to out: inout [UInt8], from start: Int) {
    // The last starter and its marks go through again: a mark of the run may sort before them.
    var first = out.count
    var begins = false
    while first > start, !begins {
      first -= 1
      while first > start, out[first] & 0xC0 == 0x80 { first -= 1 }
      begins = !decodeScalar(out, first).scalar.isCombining
    }
    let tail = String(decoding: out[first...], as: UTF8.self).decomposedStringWithCanonicalMapping
    out.removeSubrange(first...)
    var starters: [Unicode.Scalar] = []
    var classes = [[Unicode.Scalar]](repeating: [], count: 255)
    func add(_ scalar: Unicode.Scalar) {
      let order = Int(scalar.properties.canonicalCombiningClass.rawValue)
      if order == 0 { starters.append(scalar) } else { classes[order].append(scalar) }
    }
    for scalar in tail.unicodeScalars { add(scalar) }
    for mark in marks {
      for scalar in decomposition(mark) { add(scalar) }
    }
    compose(starters, classes, to: &out)
  }

  private mutating func compose(
    _ starters: [Unicode.Scalar], _ classes: [[Unicode.Scalar]], to out: inout [UInt8]
  ) {
    var bases: [Unicode.Scalar] = []
    for starter in starters {
      if let last = bases.last, let both = composition(last, starter) {
        bases[bases.count - 1] = both
      } else {
        bases.append(starter)
      }
    }
    var left: [ArraySlice<Unicode.Scalar>] = []
    for scalars in classes where !scalars.isEmpty {
      // The first mark of a class that does not compose blocks those behind it.
      var used = 0
      while used < scalars.count, let base = bases.last, let both = composition(base, scalars[used]) {
        bases[bases.count - 1] = both
        used += 1
      }
      left.append(scalars[used...])
    }
    for scalar in bases { out += UTF8.encode(scalar) ?? .init() }
    for scalar in left.joined() { out += UTF8.encode(scalar) ?? .init() }
  }

  private mutating func decomposition(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    if let known = decompositions[scalar] { return known }
    let found = Array(String(scalar).decomposedStringWithCanonicalMapping.unicodeScalars)
    decompositions[scalar] = found
    return found
  }

  private mutating func composition(_ a: Unicode.Scalar, _ b: Unicode.Scalar) -> Unicode.Scalar? {
    if let known = compositions[[a, b]] { return known }
    let both = String(String.UnicodeScalarView([a, b])).precomposedStringWithCanonicalMapping.unicodeScalars
    let found = both.count == 1 ? both.first : nil
    compositions[[a, b]] = found
    return found
  }
}
