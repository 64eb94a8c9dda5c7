/// The three classes that the split expression distinguishes.
struct ScalarClass {
  let isLetter: Bool  // \p{L}
  let isNumber: Bool  // \p{N}
  let isSpace: Bool  // \s, Unicode White_Space

  var isNewline = false  // \r or \n

  /// Neither letter, number nor space.
  var isOther: Bool { !isLetter && !isNumber && !isSpace }

  init(_ scalar: Unicode.Scalar) {
    switch scalar.value {
    case 0x61...0x7A, 0x41...0x5A: self.init(letter: true)
    case 0x30...0x39: self.init(number: true)
    case 0x0A, 0x0D: self.init(space: true, newline: true)
    case 0x09, 0x0B, 0x0C, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000:
      self.init(space: true)
    case ..<0x80: self.init()
    case 0x4E00...0x9FFF, 0xAC00...0xD7A3: self.init(letter: true)
    default:
      // Hugging Face's tokenizers go by Unicode 16; to them, scalars of Swift's newer tables are unassigned.
      let properties = scalar.properties
      guard let age = properties.age, age.major <= Self.unicodeVersion else {
        self.init()
        return
      }
      switch properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
        self.init(letter: true)
      case .decimalNumber, .letterNumber, .otherNumber: self.init(number: true)
      default: self.init()
      }
    }
  }

  /// The version of Unicode of Hugging Face's tokenizers.
  static let unicodeVersion = 16

  private init(letter: Bool = false, number: Bool = false, space: Bool = false, newline: Bool = false) {
    isLetter = letter
    isNumber = number
    isSpace = space
    isNewline = newline
  }
}

/// A scalar in valid UTF-8 text, and how many bytes it takes.
@inline(__always)
func decodeScalar(_ bytes: [UInt8], _ i: Int) -> (scalar: Unicode.Scalar, length: Int) {
  let first = UInt32(bytes[i])
  let (value, length): (UInt32, Int)
  if first < 0x80 {
    (value, length) = (first, 1)
  } else if first < 0xE0 {
    (value, length) = ((first & 0x1F) << 6 | UInt32(bytes[i + 1]) & 0x3F, 2)
  } else if first < 0xF0 {
    (value, length) = (
      (first & 0x0F) << 12 | (UInt32(bytes[i + 1]) & 0x3F) << 6 | UInt32(bytes[i + 2]) & 0x3F, 3
    )
  } else {
    (value, length) = (
      (first & 0x07) << 18 | (UInt32(bytes[i + 1]) & 0x3F) << 12 | (UInt32(bytes[i + 2]) & 0x3F) << 6
        | UInt32(bytes[i + 3]) & 0x3F, 4
    )
  }
  return (Unicode.Scalar(value) ?? "\u{FFFD}", length)
}
