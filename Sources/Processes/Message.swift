import ModelFiles

/// Numbers and texts as bytes, from one process to another of the same program. Bits stay as they are.
package struct Message {
  package private(set) var bytes: [UInt8] = []

  package init(_ write: (inout Message) -> Void) { write(&self) }

  package mutating func add(_ number: Int) { add(word: UInt64(bitPattern: Int64(number))) }

  package mutating func add(_ text: String) {
    let utf8 = Array(text.utf8)
    add(utf8.count)
    bytes += utf8
  }

  package mutating func add(_ numbers: [Int]) {
    add(numbers.count)
    for number in numbers { add(number) }
  }

  package mutating func add(_ numbers: [Double]) {
    add(numbers.count)
    for number in numbers { add(word: number.bitPattern) }
  }

  package mutating func add(_ numbers: [Float]) {
    add(numbers.count)
    for number in numbers { add(number.bitPattern, 4) }
  }

  private mutating func add(word: UInt64) { add(word, 8) }

  private mutating func add(_ word: some FixedWidthInteger, _ size: Int) {
    for i in 0..<size { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * i))) }
  }
}

/// Reads what ``Message`` wrote.
package struct MessageReader {
  private let bytes: [UInt8]
  private var place = 0

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  package mutating func int() throws(ProcessError) -> Int {
    Int(truncatingIfNeeded: Int64(bitPattern: try word(8)))
  }

  package mutating func text() throws(ProcessError) -> String {
    let count = try count(ofSize: 1)
    defer { place += count }
    return String(decoding: bytes[place..<place + count], as: UTF8.self)
  }

  package mutating func ints() throws(ProcessError) -> [Int] {
    try (0..<count(ofSize: 8)).map { (_) throws(ProcessError) in try int() }
  }

  package mutating func doubles() throws(ProcessError) -> [Double] {
    try (0..<count(ofSize: 8)).map { (_) throws(ProcessError) in Double(bitPattern: try word(8)) }
  }

  package mutating func floats() throws(ProcessError) -> [Float] {
    try (0..<count(ofSize: 4)).map { (_) throws(ProcessError) in
      Float(bitPattern: UInt32(truncatingIfNeeded: try word(4)))
    }
  }

  /// The number of things that follow; each has a byte at least.
  package mutating func count() throws(ProcessError) -> Int { try count(ofSize: 1) }

  private mutating func count(ofSize size: Int) throws(ProcessError) -> Int {
    let count = try int()
    guard count >= 0, count <= (bytes.count - place) / size else { throw short(count) }
    return count
  }

  private mutating func word(_ size: Int) throws(ProcessError) -> UInt64 {
    guard bytes.count - place >= size else { throw short(size) }
    defer { place += size }
    return (0..<size).reduce(0) { $0 | UInt64(bytes[place + $1]) << (8 * UInt64($1)) }
  }

  private func short(_ count: Int) -> ProcessError {
    ProcessError(
      .exchange, place: "byte \(place) of a message", found: "\(bytes.count - place) bytes",
      expected: "\(count) more", advice: "This is a defect of the program; please report it.")
  }
}
