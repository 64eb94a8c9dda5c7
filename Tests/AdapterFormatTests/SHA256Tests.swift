import Testing

@testable import AdapterFormat

@Suite struct SHA256Tests {
  private static let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 9) }

  /// Of every length around a block's end, beside one of another length, both hashes are libcrypto's.
  @Test func twoHashesSideBySideAreTheSame() throws {
    for count in 0..<200 {
      let (first, second) = (Array(Self.bytes.prefix(count)), Array(Self.bytes.suffix(count * 37 % 331)))
      // Nil where the processor has no instructions for it.
      guard let pair = unsafe SHA256.pair(first.span.bytes, second.span.bytes) else { return }
      #expect(pair.0 == SHA256.hash(first) && pair.1 == SHA256.hash(second), "\(count) bytes")
    }
  }
}
