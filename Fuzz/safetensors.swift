import ModelFiles

private let file = MemoryFile("safetensors")

func testSafetensors(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  file.write(UnsafeRawBufferPointer(start: start, count: count))
  guard let opened = try? SafetensorsFile(path: file.path) else { return 0 }
  for tensor in opened.tensors {
    precondition(opened[tensor.name]?.byteRange == tensor.byteRange)
    if tensor.elementType.readsAsFloats { precondition(tensor.floats().count == tensor.elementCount) }
  }
  return 0
}
