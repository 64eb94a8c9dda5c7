import AdapterFormat

private let file = MemoryFile("tina")

/// Opens, verifies and decodes. The build replaces SHA-256 (see ConstantHash.swift), so that mutations pass the
/// digests and reach what is behind them.
func testTina(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  file.write(UnsafeRawBufferPointer(start: start, count: count))
  let report = try? TinaFile.verify(path: file.path, parents: [])
  let archive = try? TinaFile(path: file.path).archive()
  // What the validator accepts, a reader decodes.
  if let report, report.isValid { precondition(archive != nil, "valid, but not read") }
  if let layered = try? TinaFile(path: file.path, layers: 1) { _ = try? layered.archive() }
  return 0
}
