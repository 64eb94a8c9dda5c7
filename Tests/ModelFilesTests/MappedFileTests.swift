import Foundation
import TestSupport
import Testing

@testable import ModelFiles

/// Files that other programs change while they are in use.
@Suite struct MappedFileTests {
  private let folder = TemporaryFolder()
  private let page = Int(getpagesize())

  /// A file of a few pages of ones, some time after it was written: its time of change can then differ.
  private func file() throws -> String {
    let path = folder.write("\(UUID().uuidString)", [UInt8](repeating: 1, count: 5 * page))
    usleep(20_000)
    return path
  }

  private func shorten(_ path: String, to count: Int) throws {
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.truncate(atOffset: UInt64(count))
    try handle.close()
  }

  @Test func aShortenedFileReadsAsZerosAndIsNoticed() throws {
    for count in [0, 1, page, 2 * page + 7] {
      let path = try file()
      let map = try MappedFile(path: path)
      try map.checkUnchanged()
      try shorten(path, to: count)
      let bytes = map.copy(0..<map.byteCount)
      #expect(bytes.prefix(count).allSatisfy { $0 == 1 } && bytes.suffix(2 * page).allSatisfy { $0 == 0 })
      #expect(map.isTorn)
      let error = #expect(throws: ModelFilesError.self) { try map.checkUnchanged() }
      #expect(error?.kind == .changed && error?.found.contains("\(count) bytes") == true)
    }
  }

  @Test func readsOfManyThreadsSurvive() throws {
    let path = try file()
    let map = try MappedFile(path: path)
    try shorten(path, to: 0)
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      #expect(map.copy(0..<map.byteCount).allSatisfy { $0 == 0 })
    }
    // Another file's map is its own.
    #expect(try !MappedFile(path: self.file()).isTorn)
  }

  @Test func writingInPlaceIsNoticedAndRenamingIsNot() throws {
    let path = try file()
    let map = try MappedFile(path: path)
    let other = folder.write("new", [UInt8](repeating: 2, count: page))
    let code = unsafe rename(other, path)
    #expect(code == 0)
    try map.checkUnchanged()
    #expect(map.copy(0..<1) == [1])

    let again = try MappedFile(path: path)
    usleep(20_000)
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.write(contentsOf: [3])
    try handle.close()
    #expect(throws: ModelFilesError.self) { try again.checkUnchanged() }
    try map.checkUnchanged()
  }

  @Test func aCopyStaysAsItWas() throws {
    let path = try file()
    let copy = try MappedFile(path: path, .copied)
    try shorten(path, to: 0)
    #expect(copy.copy(0..<copy.byteCount).allSatisfy { $0 == 1 } && !copy.isTorn)
    try copy.checkUnchanged()
    #expect(try MappedFile(path: path, .copied).byteCount == 0)
  }

  @Test func aFileThatIsCopiedFromAShortenedOneIsNotWritten() throws {
    let path = try file()
    let map = try MappedFile(path: path)
    try shorten(path, to: 0)
    let writer = try FileWriter(path: folder.path("out"))
    // Large enough to go to the system without a copy.
    let big = try MappedFile(path: folder.write("big", [UInt8](repeating: 1, count: 1 << 20)))
    try shorten(folder.path("big"), to: 0)
    let error = #expect(throws: ModelFilesError.self) { try writer.write(big.bytes) }
    #expect(error?.found.contains("shortened") == true)
    _ = map
    #expect(!folder.names.contains("out"))
  }
}
