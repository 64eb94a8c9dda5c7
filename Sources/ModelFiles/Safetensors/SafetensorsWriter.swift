/// Writes safetensors files, whole or not at all, in the order and layout of the format's own library: the same
/// tensors and metadata give the same bytes.
public enum SafetensorsWriter {
  /// Writes a file.
  ///
  /// - Parameters:
  ///   - tensors: names must differ, and none may be `__metadata__`.
  ///   - metadata: texts for `__metadata__`, left out if empty.
  ///   - path: an existing file is replaced in one step.
  /// - Throws: ``ModelFilesError`` if a name comes twice or the file cannot be written.
  public static func write(
    _ tensors: [Tensor], metadata: [(key: String, value: String)] = [], to path: String
  ) throws(ModelFilesError) {
    var names: Set<String> = []
    for tensor in tensors where !names.insert(tensor.name).inserted || tensor.name == "__metadata__" {
      throw ModelFilesError(
        .unsupported, file: path, place: "tensor " + quoted(tensor.name), found: "this name a second time",
        expected: "every name once, and none \"__metadata__\"")
    }
    if let tensor = tensors.first(where: \.elementType.isQuantised) {
      throw ModelFilesError(
        .unsupported, file: path, place: "tensor " + quoted(tensor.name), found: tensor.elementType.rawValue,
        expected: "one of safetensors' types")
    }
    let sorted = tensors.sorted {
      $0.elementType != $1.elementType
        ? order($0.elementType) > order($1.elementType)
        : $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
    }
    let layout = SafetensorsLayout(
      sorted.map { .init(name: $0.name, type: $0.elementType, shape: $0.shape) }, metadata: metadata)
    guard layout.header.count - 8 <= SafetensorsFile.maximumHeaderByteCount else {
      throw ModelFilesError(
        .unsupported, file: path, found: "a header of \(layout.header.count - 8) bytes",
        expected: "at most \(SafetensorsFile.maximumHeaderByteCount)")
    }
    let writer = try FileWriter(path: path)
    try writer.write(layout.header)
    for tensor in sorted { try writer.write(tensor.storage, tensor.byteRange) }
    try writer.finish()
  }

  /// The library sorts by its list of types, the widest first.
  private static func order(_ type: ElementType) -> Int { ElementType.allCases.firstIndex(of: type) ?? 0 }
}
