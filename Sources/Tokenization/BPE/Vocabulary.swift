/// Tokens as byte strings: id to bytes, and bytes to id, in flat memory.
struct Vocabulary: Sendable {
  private(set) var bytes: [UInt8] = []
  private var starts: [UInt32] = []  // by entry
  private var lengths: [UInt32] = []
  private var ids: [Int32] = []
  private var entryOfID: [Int32] = []  // -1 for an id without a token
  private var slots: [Int32]  // open addressing: entry, or -1
  private let mask: Int

  /// Makes room for `capacity` tokens; adding more would not end.
  init(capacity: Int) {
    var size = 64
    while size < 2 * capacity + 2 { size *= 2 }
    slots = Array(repeating: -1, count: size)
    mask = size - 1
    starts.reserveCapacity(capacity)
    lengths.reserveCapacity(capacity)
    ids.reserveCapacity(capacity)
    bytes.reserveCapacity(8 * capacity)
  }

  /// Highest id + 1.
  var idCount: Int { entryOfID.count }
  var count: Int { ids.count }

  /// The bytes of a token; nil for an id without a token.
  func token(_ id: Int) -> ArraySlice<UInt8>? {
    guard id >= 0, id < entryOfID.count, entryOfID[id] >= 0 else { return nil }
    let entry = Int(entryOfID[id])
    return bytes[Int(starts[entry])..<Int(starts[entry] + lengths[entry])]
  }

  /// The id of a byte string.
  func id(_ text: ArraySlice<UInt8>) -> Int? {
    let slot = find(text)
    return slots[slot] < 0 ? nil : Int(ids[Int(slots[slot])])
  }

  /// Adds a token; false if its bytes or its id are taken.
  mutating func add(_ text: ArraySlice<UInt8>, id: Int) -> Bool {
    let slot = find(text)
    guard slots[slot] < 0, id >= entryOfID.count || entryOfID[id] < 0 else { return false }
    let entry = ids.count
    slots[slot] = Int32(entry)
    starts.append(UInt32(bytes.count))
    lengths.append(UInt32(text.count))
    ids.append(Int32(id))
    bytes.append(contentsOf: text)
    if id >= entryOfID.count {
      entryOfID.append(contentsOf: repeatElement(-1, count: id + 1 - entryOfID.count))
    }
    entryOfID[id] = Int32(entry)
    return true
  }

  /// The slot of `text`, or the free slot for it.
  private func find(_ text: ArraySlice<UInt8>) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a, then mixed
    for byte in text { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    hash ^= hash >> 29
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] >= 0 {
      let entry = Int(slots[slot])
      if Int(lengths[entry]) == text.count {
        let start = Int(starts[entry])
        var same = true
        for (offset, byte) in text.enumerated() where bytes[start + offset] != byte {
          same = false
          break
        }
        if same { return slot }
      }
      slot = (slot + 1) & mask
    }
    return slot
  }
}

/// GPT-2's alphabet: each byte as a printable character, as vocabularies spell them.
enum ByteAlphabet {
  /// By byte: the character's scalar value, below 512.
  static let scalars: [UInt16] = {
    var table = [UInt16](repeating: 0, count: 256)
    var next: UInt16 = 256
    for byte in 0..<256 {
      let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
      table[byte] = isPrintable ? UInt16(byte) : next
      if !isPrintable { next += 1 }
    }
    return table
  }()

  /// By scalar value below 512: the byte, or -1.
  static let bytes: [Int16] = {
    var table = [Int16](repeating: -1, count: 512)
    for (byte, scalar) in scalars.enumerated() { table[Int(scalar)] = Int16(byte) }
    return table
  }()

  /// The bytes that `text` (valid UTF-8) spells; nil when a character is not of the alphabet.
  static func decode(_ text: ArraySlice<UInt8>, into result: inout [UInt8]) -> Bool {
    result.removeAll(keepingCapacity: true)
    var i = text.startIndex
    while i < text.endIndex {
      let first = text[i]
      let scalar: Int
      if first < 0x80 {
        scalar = Int(first)
        i += 1
      } else if first < 0xC8, i + 1 < text.endIndex {
        scalar = Int(first & 0x1F) << 6 | Int(text[i + 1] & 0x3F)
        i += 2
      } else {
        return false
      }
      let byte = bytes[scalar]
      if byte < 0 { return false }
      result.append(UInt8(byte))
    }
    return true
  }
}
