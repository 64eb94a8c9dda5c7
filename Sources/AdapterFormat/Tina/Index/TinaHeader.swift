import ModelFiles

/// The beginning of a .tina file: header and section table, checked (spec §4, §5).
struct TinaHeader {
  static let signature: [UInt8] = [0x89, 0x54, 0x49, 0x4e, 0x41, 0x0d, 0x0a, 0x0a]
  static let byteCount = 128
  static let recordByteCount = 64
  static let maximumFileLength = 1 << 48
  static let majorVersion: UInt16 = 1
  static let minorVersion: UInt16 = 0

  /// A section as the table describes it.
  struct Section {
    let type: String
    let codec: TinaCodec
    let decodedByteCount: Int
    let digest: [UInt8]
    /// Where its stored bytes lie in the file.
    let range: Range<Int>

    var isAncillary: Bool { type.utf8.first.map { $0 & 0x20 != 0 } ?? false }
  }

  let indexLength: Int
  let fileLength: Int
  let fileDigest: ContentDigest
  let sections: [Section]

  init(_ file: MappedFile) throws(TinaFault) {
    let size = file.byteCount
    let head = file.copy(0..<min(size, Self.byteCount))
    let count = min(size, Self.signature.count)
    guard head[..<count].elementsEqual(Self.signature[..<count]) else {
      throw Self.foreign(file)
    }
    guard size >= Self.byteCount else {
      throw TinaFault(.truncated, "", found: "\(size) bytes", expected: "at least \(Self.byteCount)")
    }
    var cursor = ByteCursor(head)
    _ = try cursor.take(8)
    let major = try cursor.integer(UInt16.self)
    guard major == Self.majorVersion else {
      throw TinaFault(
        .version, "byte 8", found: "version \(major)", expected: "version \(Self.majorVersion)")
    }
    let digest = ContentDigest.of(Array(head[..<96]))
    guard digest.bytes.elementsEqual(head[96...]) else {
      throw TinaFault(
        .headerDigest, "byte 96", found: "another digest than that of the header", expected: "\(digest)")
    }
    _ = try cursor.integer(UInt16.self)
    let sectionCount = Int(try cursor.integer(UInt32.self))
    let index = try cursor.integer(UInt64.self)
    let length = try cursor.integer(UInt64.self)
    let tableDigest = try cursor.take(32)
    try cursor.reserved(32, "header")
    guard (2...64).contains(sectionCount) else {
      throw TinaFault(.limit, "byte 12", found: "\(sectionCount) sections", expected: "2 to 64")
    }
    guard length <= Self.maximumFileLength else {
      throw TinaFault(.limit, "byte 24", found: "a file length of \(length)", expected: "at most 2^48")
    }
    let tableEnd = Self.byteCount + Self.recordByteCount * sectionCount
    guard index % 64 == 0, index >= UInt64(tableEnd), index <= length else {
      throw TinaFault(
        .layout, "byte 16", found: "an index length of \(index)",
        expected: "a multiple of 64 from \(tableEnd) to the file length, \(length)")
    }
    indexLength = Int(index)
    fileLength = Int(length)
    fileDigest = digest
    guard size <= fileLength else {
      throw TinaFault(
        .trailing, "byte \(fileLength)", found: "\(size - fileLength) bytes", expected: "the end of the file")
    }
    guard size >= indexLength else {
      throw TinaFault(
        .truncated, "", found: "\(size) bytes",
        expected: "\(fileLength) bytes, the index alone has \(indexLength)")
    }
    let table = file.copy(Self.byteCount..<tableEnd)
    guard ContentDigest.of(table).bytes == tableDigest else {
      throw TinaFault(
        .tableDigest, "section table", found: "other bytes than its digest says",
        expected: "an undamaged table")
    }
    sections = try Self.sections(table, indexLength: indexLength)
    let end = sections.last?.range.upperBound ?? tableEnd
    guard file.copy(end..<indexLength).allSatisfy({ $0 == 0 }) else {
      throw TinaFault(
        .padding, "bytes \(end)…\(indexLength - 1)", found: "a byte that is not zero", expected: "zeros")
    }
  }

  private static func foreign(_ file: MappedFile) -> TinaFault {
    if let format = ForeignFormat(file.bytes) {
      return TinaFault(
        .signature, "", found: format.found(byteCount: file.byteCount), expected: "a .tina file",
        advice: format.advice)
    }
    return TinaFault(
      .signature, "byte 0", found: "other bytes than the signature of .tina", expected: "a .tina file",
      advice: "It is no .tina file, or a transfer as text damaged it: get it again as binary.")
  }

  private static func sections(_ table: [UInt8], indexLength: Int) throws(TinaFault) -> [Section] {
    var cursor = ByteCursor(table)
    var sections: [Section] = []
    var offset = byteCount + table.count
    while cursor.remaining > 0 {
      let place = "section \(sections.count + 1)"
      let letters = try cursor.take(4)
      let codecNumber = try cursor.integer(UInt32.self)
      let stored = try cursor.integer(UInt64.self)
      let decoded = try cursor.integer(UInt64.self)
      try cursor.reserved(8, place)
      let digest = try cursor.take(32)
      guard letters.allSatisfy({ (0x41...0x5a).contains($0 & 0xdf) }), letters[2] & 0x20 == 0 else {
        throw TinaFault(
          .sectionType, place, found: "the type " + quoted(String(decoding: letters, as: UTF8.self)),
          expected: "four letters, the third in upper case")
      }
      let type = String(decoding: letters, as: UTF8.self)
      guard !sections.contains(where: { $0.type == type }) else {
        throw TinaFault(.sectionDuplicate, place, found: type + " a second time", expected: "each type once")
      }
      let known = ["META", "BASE", "TDIR"]
      guard known.contains(type) || letters[0] & 0x20 != 0 else {
        throw TinaFault(.sectionUnknown, place, found: type, expected: "a section that this version knows")
      }
      guard let codec = TinaCodec(rawValue: codecNumber) else {
        throw TinaFault(.codec, place, found: "codec \(codecNumber)", expected: "0 or 1")
      }
      let limit: UInt64 =
        switch type {
        case "META": 16 << 20
        case "BASE": 131072
        case "TDIR": 64 << 20
        default: 1 << 32
        }
      guard stored <= limit, decoded <= limit else {
        throw TinaFault(
          .limit, place, found: "\(max(stored, decoded)) bytes of \(type)", expected: "at most \(limit)")
      }
      guard codec != .stored || stored == decoded else {
        throw TinaFault(
          .layout, place, found: "stored length \(stored), decoded length \(decoded)",
          expected: "equal lengths for a stored section")
      }
      sections.append(
        Section(
          type: type, codec: codec, decodedByteCount: Int(decoded), digest: digest,
          range: offset..<offset + Int(stored)))
      offset += Int(stored)
    }
    try checkOrder(sections.map(\.type))
    guard (offset + 63) / 64 * 64 == indexLength else {
      throw TinaFault(
        .layout, "section table", found: "sections that end at \(offset)",
        expected: "an end in the last 64 bytes of the index, which ends at \(indexLength)")
    }
    return sections
  }

  private static func checkOrder(_ types: [String]) throws(TinaFault) {
    for type in ["META", "TDIR"] where !types.contains(type) {
      throw TinaFault(.sectionMissing, "section table", found: "no " + type, expected: "META and TDIR")
    }
    let expected = ["META", "BASE", "TDIR"].filter(types.contains)
    guard types.starts(with: expected) else {
      throw TinaFault(
        .sectionOrder, "section table", found: types.joined(separator: ", "),
        expected: expected.joined(separator: ", ") + " first")
    }
  }

  /// A section's decoded bytes, checked against its digest.
  static func contents(of section: Section, in file: MappedFile) throws(TinaFault) -> [UInt8] {
    let place = "section " + section.type
    try check(section, in: file)
    let stored = file.copy(section.range)
    guard section.codec == .zstandard else { return stored }
    guard section.decodedByteCount <= Zstandard.maximumExpansion * stored.count else {
      throw TinaFault(
        .zstd, place, found: "\(section.decodedByteCount) bytes from \(stored.count)",
        expected: "at most \(Zstandard.maximumExpansion) times as many")
    }
    var fault: String?
    let decoded = unsafe [UInt8](unsafeUninitializedCapacity: section.decodedByteCount) { buffer, count in
      unsafe fault = stored.withUnsafeBytes {
        unsafe Zstandard.Decoder().decode(
          $0,
          into: UnsafeMutableRawBufferPointer(
            rebasing:
              UnsafeMutableRawBufferPointer(buffer)[..<section.decodedByteCount]))
      }
      count = fault == nil ? section.decodedByteCount : 0
    }
    if let fault {
      throw TinaFault(.zstd, place, found: fault, expected: "a frame as the format demands it")
    }
    return decoded
  }

  /// Compares a section's digest.
  static func check(_ section: Section, in file: MappedFile) throws(TinaFault) {
    let digest = unsafe file.bytes.extracting(section.range).withUnsafeBytes { unsafe ContentDigest.of($0) }
    guard digest.bytes == section.digest else {
      throw TinaFault(
        .sectionDigest, "section " + section.type, found: "other bytes than its digest says",
        expected: "an undamaged section")
    }
  }
}

/// How bytes are stored.
enum TinaCodec: UInt32, Sendable {
  case stored = 0
  case zstandard = 1
}
