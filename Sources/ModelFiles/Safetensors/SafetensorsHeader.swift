/// Reads the header of a safetensors file: JSON of a fixed form, without building a tree.
struct SafetensorsHeader {
  private struct Entry {
    let name: String
    let elementType: ElementType
    let shape: [Int]
    /// Relative to the data's beginning.
    let begin: Int
    let end: Int
  }

  /// The most tensors of a file; the largest checkpoints have some hundred thousand.
  private static let maximumTensorCount = 1 << 19

  private(set) var metadata: [(key: String, value: String)] = []
  private var entries: [Entry] = []
  private var file = ""

  private func bad(_ name: String, found: String, expected: String) -> ModelFilesError {
    ModelFilesError(
      .badTensor, file: file, place: "tensor " + quoted(name), found: found, expected: expected,
      advice: "The file is damaged or its writer is at fault: get it again.")
  }

  private static func twice(
    _ key: String, at offset: Int, _ reader: JSONReader
  ) -> ModelFilesError {
    reader.failure(
      at: offset, found: "the key " + quoted(key) + " a second time", expected: "every key once")
  }

  /// Reads the header's text, which begins at byte 8 of the file.
  mutating func parse(_ bytes: [UInt8], file: String) throws(ModelFilesError) {
    self.file = file
    var reader = try JSONReader(bytes, file: file, at: 8, depthLimit: 4)
    // Swift takes more strings for equal than their bytes say; both kinds of repetition are refused.
    var names: Set<String> = []
    try reader.beginObject()
    while let text = try reader.nextKey() {
      let name = try reader.name(text, limit: 2048)
      guard names.insert(name).inserted else { throw Self.twice(name, at: text.range.lowerBound, reader) }
      if name == "__metadata__" {
        // MLX writes null where it has none.
        if try reader.peek() == .null { try reader.null() } else { try parseMetadata(&reader) }
      } else {
        entries.append(try parseEntry(name, &reader))
        guard entries.count <= Self.maximumTensorCount else {
          throw reader.excess(
            at: text.range.lowerBound, found: "more than \(Self.maximumTensorCount) tensors",
            expected: "at most as many")
        }
      }
    }
    try reader.finish()
  }

  private mutating func parseMetadata(_ reader: inout JSONReader) throws(ModelFilesError) {
    var keys: Set<String> = []
    try reader.beginObject()
    while let text = try reader.nextKey() {
      let key = try reader.name(text)
      guard keys.insert(key).inserted else { throw Self.twice(key, at: text.range.lowerBound, reader) }
      guard try reader.peek() == .string else {
        throw reader.failure(
          at: reader.position, found: "a value that is no string for " + quoted(key) + " in __metadata__",
          expected: "strings only")
      }
      metadata.append((key, try reader.string()))
    }
  }

  private func parseEntry(_ name: String, _ reader: inout JSONReader) throws(ModelFilesError) -> Entry {
    var elementType: ElementType?
    var shape: [Int]?
    var offsets: [Int]?
    try reader.beginObject()
    while let text = try reader.nextKey() {
      let key = try reader.name(text)
      switch key {
      case "dtype" where elementType == nil:
        let type = try reader.text()
        guard let known = reader.word(type).flatMap({ ElementType(rawValue: $0) }), !known.isQuantised else {
          throw bad(
            name, found: "dtype " + quoted(reader.decoded(type)), expected: "one of safetensors' types")
        }
        elementType = known
      case "shape" where shape == nil:
        shape = try integers(name, key, atMost: 64, &reader)
      case "data_offsets" where offsets == nil:
        offsets = try integers(name, key, atMost: 2, &reader)
      case "dtype", "shape", "data_offsets": throw Self.twice(key, at: text.range.lowerBound, reader)
      default:
        throw bad(name, found: "the key " + quoted(key), expected: "dtype, shape and data_offsets only")
      }
    }
    guard let elementType, let shape, let offsets else {
      let missing = elementType == nil ? "dtype" : shape == nil ? "shape" : "data_offsets"
      throw bad(name, found: "no " + missing, expected: "dtype, shape and data_offsets")
    }
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw bad(name, found: "data_offsets \(offsets)", expected: "[begin, end] with begin ≤ end")
    }
    let entry = Entry(
      name: name, elementType: elementType, shape: shape, begin: offsets[0], end: offsets[1])
    try checkSize(entry)
    return entry
  }

  private func integers(
    _ name: String, _ key: String, atMost limit: Int, _ reader: inout JSONReader
  ) throws(ModelFilesError) -> [Int] {
    var values: [Int] = []
    try reader.beginArray()
    while try reader.nextElement() {
      let value = try reader.integer()
      guard value >= 0 else {
        throw bad(name, found: "\(value) in \(key)", expected: "no negative number")
      }
      guard values.count < limit else {
        throw bad(name, found: "more than \(limit) numbers in \(key)", expected: "at most \(limit)")
      }
      values.append(value)
    }
    return values
  }

  private func checkSize(_ entry: Entry) throws(ModelFilesError) {
    // A zero anywhere makes the product zero, whatever the others multiply to.
    var bits = entry.elementType.bitSize
    var overflow = false
    for size in entry.shape.contains(0) ? [0] : entry.shape where !overflow {
      (bits, overflow) = bits.multipliedReportingOverflow(by: size)
    }
    guard !overflow, bits % 8 == 0 else {
      throw bad(
        entry.name, found: "shape \(entry.shape) of \(entry.elementType.rawValue)",
        expected: overflow ? "a size below 2^63 bits" : "a whole number of bytes")
    }
    guard entry.end - entry.begin == bits / 8 else {
      throw bad(
        entry.name,
        found: "\(entry.end - entry.begin) bytes in data_offsets [\(entry.begin), \(entry.end)]",
        expected: "\(bits / 8) bytes for shape \(entry.shape) of \(entry.elementType.rawValue)")
    }
  }

  /// Checks that the data cover the rest of the file without overlap and hole, and makes the tensors.
  func layOut(_ map: MappedFile, dataStart: Int) throws(ModelFilesError) -> [Tensor] {
    let sorted = entries.sorted { ($0.begin, $0.end) < ($1.begin, $1.end) }
    let available = map.byteCount - dataStart
    if let last = sorted.max(by: { $0.end < $1.end }), last.end > available {
      throw ModelFilesError(
        .truncated, file: file, place: "tensor " + quoted(last.name),
        found: "its data to end at \(last.end) while the file has \(available) bytes of data",
        expected: "a file of \(UInt(dataStart) + UInt(last.end)) bytes;"
          + " this one is cut off by \(last.end - available)",
        advice: "Download it again.")
    }
    var covered = 0
    var previous = ""
    var tensors: [Tensor] = []
    tensors.reserveCapacity(sorted.count)
    for entry in sorted {
      guard entry.begin == covered else {
        throw bad(
          entry.name, found: "data_offsets [\(entry.begin), \(entry.end)]",
          expected: entry.begin < covered
            ? "no overlap with tensor \(quoted(previous)), which ends at \(covered)"
            : "no hole: the data before it end at \(covered)")
      }
      covered = entry.end
      previous = entry.name
      tensors.append(
        Tensor(
          name: entry.name, elementType: entry.elementType, shape: entry.shape, file: map,
          byteRange: dataStart + entry.begin..<dataStart + entry.end))
    }
    guard covered == available else {
      throw ModelFilesError(
        .malformed, file: file, place: "byte \(dataStart + covered)",
        found: "\(available - covered) bytes after the last tensor", expected: "the end of the file",
        advice: "The file is damaged or its writer is at fault: get it again.")
    }
    return tensors
  }
}
