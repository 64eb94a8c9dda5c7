/// The header of a safetensors file, and where its tensors lie.
package struct SafetensorsLayout: Sendable {
  /// A tensor of the file.
  package struct Entry: Sendable {
    let name: String
    let type: ElementType
    let shape: [Int]

    package init(name: String, type: ElementType, shape: [Int]) {
      self.name = name
      self.type = type
      self.shape = shape
    }
  }

  /// The file's bytes before the first tensor.
  package let header: [UInt8]
  /// The tensors' places in the file, in the order given.
  package let ranges: [Range<Int>]
  /// Bytes of the whole file.
  package var byteCount: Int { ranges.last?.upperBound ?? header.count }

  /// Lays out tensors one behind the other.
  ///
  /// - Parameters:
  ///   - metadata: texts for `__metadata__`, left out if empty.
  ///   - alignment: the first tensor begins at a multiple of it.
  package init(_ entries: [Entry], metadata: [(key: String, value: String)], alignment: Int = 8) {
    var members: [(key: String, value: JSONValue)] = []
    if !metadata.isEmpty {
      members.append(
        ("__metadata__", .object(JSONObject(metadata.map { (key: $0.key, value: .string($0.value)) }))))
    }
    var offset = 0
    var places: [Range<Int>] = []
    for entry in entries {
      let count = entry.shape.contains(0) ? 0 : entry.shape.reduce(1, *)
      places.append(offset..<offset + entry.type.byteCount(count))
      offset = places[places.count - 1].upperBound
      members.append(
        (
          entry.name,
          .record([
            "dtype": .string(entry.type.rawValue), "shape": .array(entry.shape.map { JSONValue($0) }),
            "data_offsets": .array([places[places.count - 1].lowerBound, offset].map { JSONValue($0) }),
          ])
        ))
    }
    let text = Array(JSONValue.object(JSONObject(members)).text().utf8)
    let start = (8 + text.count + alignment - 1) / alignment * alignment
    header =
      (0..<8).map { UInt8(truncatingIfNeeded: (start - 8) >> (8 * $0)) } + text
      + [UInt8](repeating: UInt8(ascii: " "), count: start - 8 - text.count)
    ranges = places.map { $0.lowerBound + start..<$0.upperBound + start }
  }
}
