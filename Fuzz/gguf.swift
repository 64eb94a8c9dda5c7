import AdapterFormat
import ModelFiles

private let file = MemoryFile("gguf")

func testGGUF(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  file.write(UnsafeRawBufferPointer(start: start, count: count))
  guard let opened = try? GGUFFile(path: file.path) else { return 0 }
  for (key, _) in opened.metadata { precondition(opened[key] != nil) }
  _ = try? AdapterFile(path: file.path)
  return 0
}
