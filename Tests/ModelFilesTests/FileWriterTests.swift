import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite("Files written whole or not at all")
struct FileWriterTests {
  private let directory = TemporaryFolder()
  private var path: String { directory.path + "/out" }

  private func contents() -> [UInt8]? { FileManager.default.contents(atPath: path).map { [UInt8]($0) } }
  private func names() -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []).sorted()
  }

  @Test("a finished file has every byte, and nothing else is left", arguments: [0, 1, 1 << 18, 700_001])
  func whole(count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let writer = try FileWriter(path: path)
    try writer.write(Array(bytes[..<(count / 3)]))
    try writer.write(Array(bytes[(count / 3)...]))
    #expect(writer.byteCount == count)
    #expect(contents() == nil)
    try writer.finish()
    #expect(contents() == bytes)
    #expect(names() == ["out"])
  }

  @Test("an abandoned file leaves the old one as it was")
  func abandoned() throws {
    _ = directory.write("out", "old")
    do {
      let writer = try FileWriter(path: path)
      try writer.write([UInt8](repeating: 1, count: 1_000_000))
    }
    #expect(contents() == Array("old".utf8))
    #expect(names() == ["out"])
  }

  @Test("an existing file is replaced, also through a link")
  func replaced() throws {
    _ = directory.write("out", "old")
    try FileManager.default.createSymbolicLink(
      atPath: directory.path + "/link", withDestinationPath: path)
    let writer = try FileWriter(path: directory.path + "/link")
    try writer.write(Array("new".utf8))
    try writer.finish()
    #expect(contents() == Array("new".utf8))
    #expect(names() == ["link", "out"])
  }

  @Test("what is no place for a file is refused", arguments: ["", "/no/such/folder/file", "/", "/dev/null"])
  func refused(path: String) {
    #expect(throws: ModelFilesError.self) { try FileWriter(path: path) }
  }
}
