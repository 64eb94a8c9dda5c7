/// Writes GGUF files of version 3, whole or not at all.
public enum GGUFWriter {
  /// Writes a file; tensors keep their order.
  ///
  /// - Parameters:
  ///   - metadata: keys and values in their order; `general.alignment` among them sets the alignment.
  ///   - tensors: with names of at most ``GGUFFile/maximumNameByteCount`` bytes.
  ///   - path: an existing file is replaced in one step.
  /// - Throws: ``ModelFilesError`` if a name is too long or comes twice, or the file cannot be written.
  public static func write(
    metadata: [(key: String, value: GGUFValue)], tensors: [Tensor], to path: String
  ) throws(ModelFilesError) {
    let layout = try GGUFOutputLayout(
      metadata: metadata,
      tensors: tensors.map { GGUFOutputLayout.Entry(name: $0.name, type: $0.elementType, shape: $0.shape) },
      path: path)
    let writer = try FileWriter(path: path)
    try writer.write(layout.header)
    for (tensor, range) in zip(tensors, layout.ranges) {
      try writer.write([UInt8](repeating: 0, count: range.lowerBound - writer.byteCount))
      try writer.write(tensor.storage, tensor.byteRange)
    }
    try writer.write([UInt8](repeating: 0, count: layout.byteCount - writer.byteCount))
    try writer.finish()
  }
}

extension FileWriter {
  /// Appends part of a storage.
  ///
  /// - Precondition: the range lies in the storage.
  public func write(_ storage: ByteStorage, _ range: Range<Int>) throws(ModelFilesError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= storage.byteCount)
    switch storage {
    case .file(let file): try write(file.bytes.extracting(range))
    case .memory(let memory): try write(memory.bytes.extracting(range))
    }
  }
}
