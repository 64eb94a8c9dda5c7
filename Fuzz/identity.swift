import AdapterFormat

func testIdentity(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  if let identity = try? BaseIdentity(bytes: bytes, file: "input") { precondition(identity.bytes == bytes) }
  return 0
}
