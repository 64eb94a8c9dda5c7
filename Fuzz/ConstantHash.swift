import ModelFiles

/// Takes the place of SHA-256 in the fuzzers' build: every hash is the same.
///
/// With the real one, a mutated file fails at its first digest and nothing behind it is ever tried.
struct SHA256: ~Copyable {
  static let byteCount = 32

  init() {}

  mutating func update(_ bytes: borrowing RawSpan) {}
  mutating func update(_ bytes: [UInt8]) {}
  mutating func update(_ storage: ByteStorage, _ range: Range<Int>) {}

  consuming func finish() -> [UInt8] { [UInt8](repeating: 0x5A, count: Self.byteCount) }

  static func hash(_ bytes: [UInt8]) -> [UInt8] { SHA256().finish() }
}

/// Two lower-case digits a byte.
func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
