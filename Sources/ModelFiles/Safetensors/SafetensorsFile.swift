/// A safetensors file, mapped; every rule of the format is checked when it is opened.
///
/// Memory for a hostile file stays within a small multiple of the header, which is never longer than the file.
public struct SafetensorsFile: Sendable {
  /// The path as it was given.
  public let path: String
  /// The tensors in the order of their data.
  public let tensors: [Tensor]
  /// The texts of `__metadata__` in the order of the file; no key twice.
  public let metadata: [(key: String, value: String)]
  private let index: [String: Int]

  /// The longest header that the format allows, in bytes.
  public static let maximumHeaderByteCount = 100_000_000

  /// Opens a file and checks it as a whole.
  ///
  /// - Throws: ``ModelFilesError`` naming the byte, key or tensor that is wrong.
  public init(path: String, _ residence: MappedFile.Residence = .mapped) throws(ModelFilesError) {
    let file = try MappedFile(path: path, residence)
    let headerEnd = try Self.headerEnd(file)
    var header = SafetensorsHeader()
    try header.parse(file.copy(8..<headerEnd), file: path)
    self.path = path
    metadata = header.metadata
    tensors = try header.layOut(file, dataStart: headerEnd)
    index = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
  }

  /// The tensor of a name, or nil.
  public subscript(name: String) -> Tensor? {
    guard let tensor = index[name].map({ tensors[$0] }), tensor.name.utf8.elementsEqual(name.utf8)
    else { return nil }
    return tensor
  }

  /// Where the header ends and the data begin, from the first eight bytes.
  private static func headerEnd(_ file: MappedFile) throws(ModelFilesError) -> Int {
    let size = file.byteCount
    func damaged(
      _ kind: ModelFilesError.Kind, _ place: String, found: String, expected: String
    ) -> ModelFilesError {
      if let format = ForeignFormat(file.bytes), format != .safetensors {
        return ModelFilesError(
          .foreignFormat, file: file.path, found: format.found(byteCount: size),
          expected: "a safetensors file", advice: format.advice)
      }
      return ModelFilesError(
        kind, file: file.path, place: place, found: found, expected: expected,
        advice: "The file is damaged or cut off: download it again.")
    }
    guard size > 0 else {
      throw damaged(.truncated, "", found: "an empty file", expected: "a safetensors file")
    }
    guard size >= 10 else {
      throw damaged(
        .truncated, "byte 0", found: "\(size) bytes", expected: "at least 10: a header length and a header")
    }
    let length = UInt64(littleEndian: unsafe file.bytes.unsafeLoadUnaligned(as: UInt64.self))
    guard length <= maximumHeaderByteCount else {
      throw damaged(
        .malformed, "byte 0", found: "a header length of \(length) bytes",
        expected: "at most \(maximumHeaderByteCount)")
    }
    guard length <= size - 8 else {
      throw damaged(
        .truncated, "byte 0", found: "a header length of \(length) bytes, in a file of \(size) bytes",
        expected: "at most \(size - 8)")
    }
    guard length >= 2, unsafe file.bytes.unsafeLoad(fromByteOffset: 8, as: UInt8.self) == UInt8(ascii: "{")
    else {
      let byte = unsafe file.bytes.unsafeLoad(fromByteOffset: 8, as: UInt8.self)
      throw damaged(
        .malformed, "byte 8",
        found: length < 2 ? "a header of \(length) bytes" : "byte 0x" + String(byte, radix: 16),
        expected: "'{', the beginning of the header")
    }
    return 8 + Int(length)
  }
}
