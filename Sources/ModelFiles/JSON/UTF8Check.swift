/// Offset of the first byte that does not belong to well-formed UTF-8 (Unicode's table 3-7), or nil.
func firstInvalidUTF8(_ bytes: [UInt8]) -> Int? {
  let count = bytes.count
  let span = unsafe bytes.span.bytes
  var i = 0
  while i < count {
    // Eight ASCII bytes at a time; the bound keeps the load inside.
    while i + 8 <= count,
      unsafe span.unsafeLoadUnaligned(fromByteOffset: i, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
    { i += 8 }
    guard i < count else { return nil }
    let lead = bytes[i]
    if lead < 0x80 {
      i += 1
      continue
    }
    // Length, and the allowed values of the second byte: they exclude overlong forms and surrogates.
    let length: Int
    let second: ClosedRange<UInt8>
    switch lead {
    case 0xc2...0xdf: (length, second) = (2, 0x80...0xbf)
    case 0xe0: (length, second) = (3, 0xa0...0xbf)
    case 0xed: (length, second) = (3, 0x80...0x9f)
    case 0xe1...0xef: (length, second) = (3, 0x80...0xbf)
    case 0xf0: (length, second) = (4, 0x90...0xbf)
    case 0xf1...0xf3: (length, second) = (4, 0x80...0xbf)
    case 0xf4: (length, second) = (4, 0x80...0x8f)
    default: return i
    }
    guard count - i >= length, second.contains(bytes[i + 1]) else { return i }
    for k in 2..<max(length, 2) where bytes[i + k] & 0xc0 != 0x80 { return i }
    i += length
  }
  return nil
}
