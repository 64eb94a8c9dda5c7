import Support

/// Brings the digits and signs of all scripts to ASCII, and bounds runs of combining marks.
enum TextFolding {
  static func folded(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    guard bytes.contains(where: { $0 >= 0x80 }) else { return bytes }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count + 16)
    var marks = 0
    for scalar in text.unicodeScalars {
      let value = scalar.value
      if value < 0x300 {
        marks = 0
        if value < 0x80 {
          result.append(UInt8(value))
        } else {
          result.append(contentsOf: UTF8.encode(scalar)!)
        }
        continue
      }
      if let other = ascii(scalar) {
        marks = 0
        result.append(contentsOf: other)
        continue
      }
      if scalar.isCombining {
        marks += 1
        // Unicode's stream-safe text format: Swift's comparison is quadratic in such runs.
        if marks > 30 {
          result.append(contentsOf: [0xCD, 0x8F])
          marks = 1
        }
      } else {
        marks = 0
      }
      result.append(contentsOf: UTF8.encode(scalar)!)
    }
    return result
  }

  /// Where the digits of other scripts begin.
  private static let zeros: [UInt32] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20,
    0x1040, 0x1090, 0x17E0, 0x1810, 0xFF10,
  ]

  private static func ascii(_ scalar: Unicode.Scalar) -> [UInt8]? {
    let value = scalar.value
    switch value {
    case 0x660..<0x1820, 0xFF10..<0xFF1A:
      if let zero = zeros.last(where: { $0 <= value }), value < zero + 10 {
        return [UInt8(0x30 + value - zero)]
      }
    case 0x1D7CE...0x1D7FF: return [UInt8(0x30 + (value - 0x1D7CE) % 10)]
    default: break
    }
    switch value {
    case 0xFF01...0xFF5E: return [UInt8(value - 0xFEE0)]
    // The full stops of China and India end a sentence without a blank.
    case 0x3002, 0x964, 0x6D4: return Array(". ".utf8)
    case 0x3001: return Array(", ".utf8)
    case 0x60C: return [UInt8(ascii: ",")]
    case 0x61B: return [UInt8(ascii: ";")]
    case 0x61F: return [UInt8(ascii: "?")]
    case 0x66A: return [UInt8(ascii: "%")]
    case 0x66B: return [UInt8(ascii: ".")]
    case 0x66C: return [UInt8(ascii: ",")]
    case 0x3000, 0x3008...0x3011, 0x300C...0x300F: return [UInt8(ascii: " ")]
    case 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: return []
    default: return nil
    }
  }
}
