import ModelFiles
import Support

extension BaseIdentity {
  /// The longest identity that is read or made.
  public static let maximumByteCount = 131_072

  /// The canonical bytes (spec/base-identity.md, section 5); equal for equal identities.
  public var bytes: [UInt8] {
    var out: [UInt8] = [1]
    func number(_ value: some FixedWidthInteger) { out += littleEndianBytes(value) }
    // Lengths and counts beyond the limit become the limit; the reader then refuses the bytes.
    func name(_ text: String) {
      number(UInt8(clamping: text.utf8.count))
      out += text.utf8
    }
    name(architecture)
    out += digest
    number(UInt8(clamping: dimensions.count))
    for dimension in dimensions {
      name(dimension.name)
      number(UInt64(clamping: dimension.value))
    }
    number(UInt16(clamping: sketch.tensors.count))
    for tensor in sketch.tensors {
      name(tensor.name)
      out.append(tensor.element.rawValue)
      number(UInt8(clamping: tensor.shape.count))
      for size in tensor.shape { number(UInt64(clamping: size)) }
    }
    number(UInt16(clamping: sketch.runs.count))
    for run in sketch.runs {
      number(UInt16(clamping: run.tensor))
      number(UInt32(clamping: run.row))
      number(UInt32(clamping: run.column))
    }
    for run in sketch.runs {
      let element = sketch.tensors[run.tensor].element
      for value in run.values {
        let pattern = element.pattern(value)
        if element == .f32 { number(pattern) } else { number(UInt16(truncatingIfNeeded: pattern)) }
      }
    }
    return out
  }

  /// Reads an identity; every rule is checked.
  ///
  /// - Parameters:
  ///   - bytes: the whole of it.
  ///   - file: the file that holds it, for errors.
  ///   - offset: where in that file it begins, for errors.
  /// - Throws: ``AdapterError`` naming the byte.
  public init(bytes: [UInt8], file: String, at offset: Int = 0) throws(AdapterError) {
    var reader = IdentityReader(bytes: bytes, file: file, base: offset)
    guard bytes.count <= Self.maximumByteCount else {
      throw reader.failure(found: "\(bytes.count) bytes", expected: "at most \(Self.maximumByteCount)")
    }
    let version = try reader.byte("the version")
    guard version == 1 else { throw reader.failure(back: 1, found: "version \(version)", expected: "1") }
    let architecture = try reader.identifier("the architecture")
    let digest = try reader.bytes(Digest.byteCount, "the digest")
    let dimensions = try reader.dimensions()
    let tensors = try reader.tensors()
    let places = try reader.places(tensors)
    var runs: [BaseSketch.Run] = []
    runs.reserveCapacity(places.count)
    for place in places {
      let tensor = tensors[place.tensor]
      let values = try reader.values(tensor)
      runs.append(.init(tensor: place.tensor, row: place.row, column: place.column, values: values))
    }
    guard reader.isAtEnd else {
      throw reader.failure(found: "\(reader.remaining) bytes more", expected: "the end")
    }
    self.init(
      architecture: architecture, dimensions: dimensions, digest: digest,
      sketch: BaseSketch(tensors: tensors, runs: runs))
  }
}

/// Reads the parts of an identity, and trusts none.
private struct IdentityReader {
  private let all: [UInt8]
  private let file: String
  private let base: Int
  private var offset = 0

  init(bytes: [UInt8], file: String, base: Int) {
    all = bytes
    self.file = file
    self.base = base
  }

  var remaining: Int { all.count - offset }
  var isAtEnd: Bool { remaining == 0 }

  /// A refusal of what begins `back` bytes before the next byte.
  func failure(back: Int = 0, found: String, expected: String) -> AdapterError {
    AdapterError(
      path: file,
      violations: [
        .init(
          .malformed, file: file, place: "base identity, byte \(base + offset - back)", found: found,
          expected: expected, advice: "The file is damaged, or its writer is: get it again.")
      ])
  }

  mutating func bytes(_ count: Int, _ what: String) throws(AdapterError) -> [UInt8] {
    guard remaining >= count else {
      throw failure(found: "\(remaining) bytes", expected: "\(count) bytes of \(what)")
    }
    defer { offset += count }
    return Array(all[offset..<(offset + count)])
  }

  private mutating func number(_ count: Int, _ what: String) throws(AdapterError) -> UInt64 {
    try bytes(count, what).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  mutating func byte(_ what: String) throws(AdapterError) -> UInt8 { UInt8(try number(1, what)) }

  /// A number in a range.
  private mutating func number(
    _ count: Int, _ what: String, _ range: ClosedRange<UInt64>
  ) throws(AdapterError) -> Int {
    let value = try number(count, what)
    guard range.contains(value) else {
      throw failure(
        back: count, found: "\(value) as \(what)",
        expected: "\(range.lowerBound) to \(range.upperBound)")
    }
    return Int(value)
  }

  /// A short name of ASCII letters, digits, `.`, `_` and `-`.
  mutating func identifier(_ what: String) throws(AdapterError) -> String {
    let count = try number(1, "length of " + what, 1...64)
    let bytes = try bytes(count, what)
    let isGood = bytes.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
      case UInt8(ascii: "0")...UInt8(ascii: "9"): true
      case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
      default: false
      }
    }
    let text = String(decoding: bytes, as: UTF8.self)
    guard isGood else {
      throw failure(back: count, found: quoted(text), expected: "letters, digits and . _ - as \(what)")
    }
    return text
  }

  private mutating func tensorName() throws(AdapterError) -> String {
    let count = try number(1, "length of a tensor's name", 1...255)
    let bytes = try bytes(count, "a tensor's name")
    guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }),
      let text = String(validating: bytes, as: UTF8.self)
    else {
      throw failure(back: count, found: "other bytes", expected: "a name in UTF-8 without control characters")
    }
    return text
  }

  private func ascending(_ last: String?, _ name: String) throws(AdapterError) {
    guard let last, !bytesPrecede(last, name) else { return }
    throw failure(
      back: name.utf8.count, found: quoted(name) + " after " + quoted(last),
      expected: "names in ascending order, each once")
  }

  mutating func dimensions() throws(AdapterError) -> [BaseIdentity.Dimension] {
    var dimensions: [BaseIdentity.Dimension] = []
    for _ in 0..<(try number(1, "the number of dimensions", 0...32)) {
      let name = try identifier("a dimension's name")
      try ascending(dimensions.last?.name, name)
      let value = try number(8, "a dimension", 1...(1 << 48))
      dimensions.append(.init(name: name, value: value))
    }
    return dimensions
  }

  mutating func tensors() throws(AdapterError) -> [BaseSketch.SampledTensor] {
    var tensors: [BaseSketch.SampledTensor] = []
    for _ in 0..<(try number(2, "the number of tensors", 1...1024)) {
      let name = try tensorName()
      try ascending(tensors.last?.name, name)
      let code = try byte("an element type")
      guard let element = SampledElement(rawValue: code) else {
        throw failure(back: 1, found: "element type \(code)", expected: "0 (F32), 1 (F16) or 2 (BF16)")
      }
      var shape: [Int] = []
      var product = 1
      for _ in 0..<(try number(1, "the number of sizes", 0...8)) {
        let size = try number(8, "a size", 1...(1 << 40))
        let (next, overflows) = product.multipliedReportingOverflow(by: size)
        guard !overflows, next <= 1 << 48 else {
          throw failure(back: 8, found: "more than 2^48 elements in " + quoted(name), expected: "fewer")
        }
        product = next
        shape.append(size)
      }
      tensors.append(.init(name: name, element: element, shape: shape))
    }
    return tensors
  }

  mutating func places(
    _ tensors: [BaseSketch.SampledTensor]
  ) throws(AdapterError) -> [(tensor: Int, row: Int, column: Int)] {
    var places: [(tensor: Int, row: Int, column: Int)] = []
    for _ in 0..<(try number(2, "the number of runs", 1...4096)) {
      let index = try number(2, "a tensor's index", 0...UInt64(tensors.count - 1))
      let tensor = tensors[index]
      let row = try number(4, "a row", 0...UInt64(tensor.rows - 1))
      let column = try number(4, "a column", 0...UInt64(tensor.columns - tensor.runLength))
      guard column.isMultiple(of: BaseSketch.runLength) else {
        throw failure(back: 4, found: "column \(column)", expected: "a multiple of \(BaseSketch.runLength)")
      }
      let next = places.last.map { $0.tensor } ?? -1
      guard index == next || index == next + 1 else {
        throw failure(
          back: 10, found: "tensor \(index) after \(next)", expected: "every tensor, in ascending order")
      }
      if let last = places.last, !(last < (index, row, column)) {
        throw failure(back: 10, found: "a run out of order", expected: "runs in ascending order, each once")
      }
      places.append((index, row, column))
    }
    guard let last = places.last, last.tensor == tensors.count - 1 else {
      throw failure(found: "no run of the last tensor", expected: "a run of every tensor")
    }
    return places
  }

  mutating func values(_ tensor: BaseSketch.SampledTensor) throws(AdapterError) -> [Float] {
    var values: [Float] = []
    for _ in 0..<tensor.runLength {
      let size = tensor.element.byteSize
      let value = tensor.element.value(UInt32(try number(size, "a weight")))
      guard value.isFinite else {
        throw failure(back: size, found: "NaN or infinity", expected: "a finite weight")
      }
      values.append(value)
    }
    return values
  }
}

/// The bytes of a number, the lowest first.
func littleEndianBytes(_ value: some FixedWidthInteger) -> [UInt8] {
  (0..<(value.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}
