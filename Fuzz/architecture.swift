import ModelFiles

private let file = MemoryFile("architecture")

/// The config.json of a model of any family.
func testArchitecture(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  file.write(UnsafeRawBufferPointer(start: start, count: count))
  if let config = try? Architecture(path: file.path) {
    precondition(
      config.headCount.isMultiple(of: config.keyValueHeadCount) && config.headDim.isMultiple(of: 2))
    precondition(config.attention.count == config.layerCount && config.maxPositions > 0)
    for rotary in config.rotaries {
      precondition(rotary.frequencies(width: config.headDim).count == config.headDim / 2)
    }
    for (name, _) in config.tensorShapes.prefix(60) {
      precondition(config.ggufName(of: name).flatMap(config.checkpointName(ofGGUF:)) == name)
    }
  }
  return 0
}
