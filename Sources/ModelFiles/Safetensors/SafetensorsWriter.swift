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
    var members: [(key: String, value: JSONValue)] = []
    if !metadata.isEmpty {
      members.append(
        ("__metadata__", .object(JSONObject(metadata.map { (key: $0.key, value: .string($0.value)) }))))
    }
    var offset = 0
    for tensor in sorted {
      let end = offset + tensor.byteRange.count
      members.append(
        (
          tensor.name,
          .object(
            JSONObject([
              ("dtype", .string(tensor.elementType.rawValue)),
              ("shape", .array(tensor.shape.map { JSONValue($0) })),
              ("data_offsets", .array([JSONValue(offset), JSONValue(end)])),
            ]))
        ))
      offset = end
    }
    var header = Array(JSONValue.object(JSONObject(members)).text().utf8)
    header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
    guard header.count <= SafetensorsFile.maximumHeaderByteCount else {
      throw ModelFilesError(
        .unsupported, file: path, found: "a header of \(header.count) bytes",
        expected: "at most \(SafetensorsFile.maximumHeaderByteCount)")
    }
    let writer = try FileWriter(path: path)
    try writer.write((0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) })
    try writer.write(header)
    for tensor in sorted { try writer.write(tensor.storage, tensor.byteRange) }
    try writer.finish()
  }

  /// The library sorts by its list of types, the widest first.
  private static func order(_ type: ElementType) -> Int { ElementType.allCases.firstIndex(of: type) ?? 0 }
}
