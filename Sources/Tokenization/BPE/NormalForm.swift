import Foundation
import Support

/// Unicode's normal form C, in time linear in the text.
///
/// Foundation's takes time quadratic in a run of combining marks, and in texts where much changes; and it misplaces
/// marks that have the class of a starter. Here it is asked for single scalars only, and runs of marks are sorted by
/// counting.
struct NormalForm {
  private var decompositions: [Unicode.Scalar: [Unicode.Scalar]] = [:]
  private var out: [UInt8] = []

  /// The form of valid UTF-8.
  static func composed(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var form = NormalForm()
    form.out.reserveCapacity(bytes.count)
    // A scalar that composes with none before it, and those that may compose with it.
    var segment: [Unicode.Scalar] = []
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
      if !segment.isEmpty, scalar.beginsSegment {
        form.write(segment)
        segment.removeAll(keepingCapacity: true)
      }
      segment.append(scalar)
    }
    form.write(segment)
    return form.out
  }

  private mutating func write(_ segment: [Unicode.Scalar]) {
    if segment.count == 1, segment[0].isItsOwnForm {
      append(segment[0])
      return
    }
    var decomposed: [Unicode.Scalar] = []
    decomposed.reserveCapacity(segment.count)
    for scalar in segment { decomposed += decomposition(scalar) }
    let ordered = Self.ordered(decomposed)
    // As Unicode's algorithm composes: `last` is the class of the scalar before this one that did not compose.
    var result: [Unicode.Scalar] = []
    var starter: Int?
    var last = 0
    for scalar in ordered {
      let order = scalar.order
      if let starter, result.count - 1 == starter || last < order,
        let both = composition(result[starter], scalar)
      {
        result[starter] = both
        continue
      }
      if order == 0 { starter = result.count }
      last = order
      result.append(scalar)
    }
    for scalar in result { append(scalar) }
  }

  private mutating func append(_ scalar: Unicode.Scalar) {
    if scalar.value < 0x80 {
      out.append(UInt8(scalar.value))
    } else if let units = UTF8.encode(scalar) {
      out += units
    }
  }

  /// Marks sorted by class between the starters, stably.
  private static func ordered(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(scalars.count)
    var start = 0
    while start < scalars.count {
      guard scalars[start].order != 0 else {
        result.append(scalars[start])
        start += 1
        continue
      }
      let end = scalars[start...].firstIndex { $0.order == 0 } ?? scalars.count
      if end - start <= 32 {
        for scalar in scalars[start..<end] {
          var place = result.count
          while place > 0, result[place - 1].order > scalar.order { place -= 1 }
          result.insert(scalar, at: place)
        }
      } else {
        var classes = [[Unicode.Scalar]](repeating: [], count: 256)
        for scalar in scalars[start..<end] { classes[scalar.order].append(scalar) }
        for its in classes { result += its }
      }
      start = end
    }
    return result
  }

  /// Hangul's syllables compose by arithmetic.
  private static func syllable(_ a: UInt32, _ b: UInt32) -> Unicode.Scalar? {
    if (0x1100...0x1112).contains(a), (0x1161...0x1175).contains(b) {
      return Unicode.Scalar(0xAC00 + ((a - 0x1100) * 21 + b - 0x1161) * 28)
    }
    guard (0xAC00...0xD7A3).contains(a), (a - 0xAC00).isMultiple(of: 28), (0x11A8...0x11C2).contains(b) else {
      return nil
    }
    return Unicode.Scalar(a + b - 0x11A7)
  }

  private mutating func decomposition(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    if let known = decompositions[scalar] { return known }
    let found = Array(String(scalar).decomposedStringWithCanonicalMapping.unicodeScalars)
    decompositions[scalar] = found
    return found
  }

  private func composition(_ a: Unicode.Scalar, _ b: Unicode.Scalar) -> Unicode.Scalar? {
    if b.beginsSegment { return nil }
    return Self.syllable(a.value, b.value) ?? Self.compositions[[a, b]]
  }

  /// What two scalars compose to. Foundation is asked for single scalars only: of three in a row it composes two.
  private static let compositions: [[Unicode.Scalar]: Unicode.Scalar] = {
    var composites: [[Unicode.Scalar]: Unicode.Scalar] = [:]  // by what they decompose to
    let blocks: [ClosedRange<UInt32>] = [
      0xC0...0x2FFF, 0x3040...0x30FF, 0x10500...0x105FF, 0x11000...0x11FFF, 0x16100...0x16DFF,
    ]
    for scalar in blocks.joined().compactMap({ Unicode.Scalar($0) }) {
      let parts = Array(String(scalar).decomposedStringWithCanonicalMapping.unicodeScalars)
      let form = String(scalar).precomposedStringWithCanonicalMapping.unicodeScalars
      if parts.count > 1, form.count == 1, form.first == scalar { composites[parts] = scalar }
    }
    var pairs: [[Unicode.Scalar]: Unicode.Scalar] = [:]
    for (parts, composite) in composites {
      let start = parts.count == 2 ? parts[0] : composites[Array(parts.dropLast())]
      if let start { pairs[[start, parts[parts.count - 1]]] = composite }
    }
    return pairs
  }()
}

extension Unicode.Scalar {
  fileprivate var order: Int {
    value < 0x300 ? 0 : Int(properties.canonicalCombiningClass.rawValue)
  }

  /// Whether it surely composes with nothing before it. All that do are marks, jamo of vowels and ends, and vowels of
  /// Kirat Rai.
  var beginsSegment: Bool {
    switch value {
    case ..<0x300, 0x3400...0x9FFF, 0xAC00...0xD7A3, 0x1F300...0x1FAFF, 0x20000...0x3FFFF: return true
    case 0x1160...0x11FF, 0xD7B0...0xD7FF, 0x16D40...0x16D7F: return false
    default: break
    }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: return false
    default: return true
    }
  }

  /// Whether it is known to stay as it is without a mark behind it.
  fileprivate var isItsOwnForm: Bool {
    switch value {
    case ..<0x300, 0x3400...0x9FFF, 0xAC00...0xD7A3: true
    default: false
    }
  }
}
