/// Reads little-endian fields of a table one after another, within its bounds.
struct ByteCursor {
  let bytes: [UInt8]
  private(set) var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var remaining: Int { bytes.count - position }

  mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws(TinaFault) -> T {
    let size = MemoryLayout<T>.size
    try need(size)
    var value: T = 0
    for i in (0..<size).reversed() { value = value << 8 | T(truncatingIfNeeded: bytes[position + i]) }
    position += size
    return value
  }

  mutating func float() throws(TinaFault) -> Float { Float(bitPattern: try integer(UInt32.self)) }

  mutating func take(_ count: Int) throws(TinaFault) -> [UInt8] {
    try need(count)
    defer { position += count }
    return Array(bytes[position..<position + count])
  }

  /// Reads `count` bytes that must be zero.
  mutating func reserved(_ count: Int, _ place: String) throws(TinaFault) {
    let start = position
    guard try take(count).allSatisfy({ $0 == 0 }) else {
      throw TinaFault(
        .reserved, place, found: "a reserved byte that is not zero, in bytes \(start)…\(start + count - 1)",
        expected: "zeros")
    }
  }

  func need(_ count: Int) throws(TinaFault) {
    guard remaining >= count else {
      throw TinaFault(
        .directory, "directory, byte \(position)", found: "\(remaining) bytes left",
        expected: "\(count) more of a record")
    }
  }
}

/// Makes a table of little-endian fields.
struct ByteBuilder {
  var bytes: [UInt8] = []

  mutating func integer<T: FixedWidthInteger>(_ value: T) {
    for i in 0..<MemoryLayout<T>.size { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * T(i)))) }
  }

  mutating func float(_ value: Float) { integer(value.bitPattern) }

  mutating func zeros(_ count: Int) { bytes += [UInt8](repeating: 0, count: count) }
}
