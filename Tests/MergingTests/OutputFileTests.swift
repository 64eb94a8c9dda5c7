import Foundation
import TestSupport
import Testing

@testable import Merging

@Suite struct OutputFileTests {
  private static let size = 300_000
  private static let expected = (0..<size).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 7) }

  /// Pieces that begin and end anywhere, in any order, make the file. With a shift their memory is not aligned like
  /// the file, so that they can't go past the system's cache.
  @Test(arguments: [0, 1, 64]) func piecesAnywhereMakeTheFile(_ shift: Int) throws {
    let scratch = TemporaryFolder()
    let file = try OutputFile(path: scratch.path("file"))
    try file.extend(to: Self.size)
    let bounds = [0, 0, 1, 100, 4096, 8192, 8193, 20_000, 20_480, 150_001, 290_816, Self.size]
    let buffer = PieceBuffer()
    for (start, end) in zip(bounds, bounds.dropFirst()).reversed() {
      buffer.take(byteCount: end - start, for: start + shift)
      unsafe Self.expected.withUnsafeBytes { bytes in
        unsafe buffer.start.copyMemory(from: bytes.baseAddress! + start, byteCount: end - start)
      }
      try unsafe file.write(buffer.bytes, at: start)
      buffer.release()
    }
    try file.flush()
    #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.path("file"))) == Data(Self.expected))
  }

  @Test func aFullDiskIsAnError() throws {
    guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
    let file = try OutputFile(path: "/dev/full")
    let buffer = PieceBuffer()
    buffer.take(byteCount: 20_000, for: 0)
    defer { buffer.release() }
    unsafe buffer.start.initializeMemory(as: UInt8.self, repeating: 1, count: 20_000)
    #expect(throws: MergeError.self) { try unsafe file.write(buffer.bytes, at: 0) }
  }
}
