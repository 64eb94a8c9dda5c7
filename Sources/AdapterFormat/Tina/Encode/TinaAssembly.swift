import ModelFiles

// Puts header, section table and sections before the encoded blocks.
extension TinaEncoder {
  /// The whole file except the blocks' bytes.
  func assemble(
    _ catalog: inout TinaCatalog, _ blocks: [EncodedBlock]
  ) throws(TinaFault) -> TinaWriter.Encoded {
    let base = blocks.prefix { $0.form != .refinement }.count
    let refined = (0..<base).filter { blocks[$0].form == .pairs }
    catalog.blocks = blocks.enumerated().map { number, block in
      let refines = number < base || refined.isEmpty ? 0 : refined[(number - base) % refined.count]
      var record = block.record(refines: refines)
      record.layer = number < base || refined.isEmpty ? 0 : (number - base) / refined.count + 1
      return record
    }
    let zstd = Zstandard.Encoder()
    let metadata = metadata
    if let place = metadata.nonFinitePlace {
      throw TinaFault(
        .metadata, "section META, key " + quoted(String(place.dropFirst())),
        found: "a number that JSON lacks",
        expected: "finite numbers", advice: "Replace it by null in the adapter's configuration.")
    }
    var sections = [TinaSection(type: "META", bytes: Array(metadata.text().utf8))]
    if let base = archive.base { sections.append(TinaSection(type: "BASE", bytes: base.bytes)) }
    let kept = options.sections.sorted { $0.type.utf8.lexicographicallyPrecedes($1.type.utf8) }
    // The catalog states ends that depend on the length of the index, of which it is a part. The compressed length may
    // change with them: repeat until it does not, and in the end store the catalog uncompressed.
    var indexLength = 0
    for attempt in 0..<8 {
      catalog.place(indexLength: indexLength)
      let all = sections + [TinaSection(type: "TDIR", bytes: catalog.bytes)] + kept
      let index = Self.index(
        all, fileLength: catalog.layers.last?.end ?? indexLength, compressesCatalog: attempt < 6, zstd)
      if index.count == indexLength {
        let length = catalog.layers.last?.end ?? indexLength
        // Nothing is written that a reader would refuse.
        let check = try TinaCatalog(catalog.bytes, indexLength: indexLength, fileLength: length)
        try check.checkDecodedSize(
          limit: TinaFile.maximumDecodedByteCount(fileByteCount: length), fileByteCount: length)
        return TinaWriter.Encoded(index: index, catalog: catalog, blocks: blocks, byteCount: length)
      }
      indexLength = index.count
    }
    preconditionFailure("the index does not come to rest")
  }

  /// The members of META in the canonical order.
  private var metadata: JSONValue {
    var members: [(key: String, value: JSONValue)] = []
    if let name = archive.baseModelName { members.append(("base_model_name", .string(name))) }
    if let configuration = archive.configuration { members.append(("configuration", .object(configuration))) }
    if !archive.tensorMetadata.isEmpty {
      let texts = archive.tensorMetadata.map { (key: $0.key, value: JSONValue.string($0.value)) }
      members.append(("tensor_metadata", .object(JSONObject(texts))))
    }
    if let training = archive.training { members.append(("training", .object(training))) }
    if let parent = options.parent {
      let name = parent.path.split(separator: "/").last.map { String($0) } ?? ""
      members.append(("parent", .object(JSONObject([("file", .string(name))]))))
    }
    if let unknown = options.metadata {
      for (key, value) in unknown.members where !TinaMetadata.knownKeys.contains(key) {
        members.append((key, value))
      }
    }
    return .object(JSONObject(members))
  }

  private static func index(
    _ sections: [TinaSection], fileLength: Int, compressesCatalog: Bool,
    _ zstd: borrowing Zstandard.Encoder
  ) -> [UInt8] {
    var table = ByteBuilder()
    var body: [UInt8] = []
    for section in sections {
      let bytes = section.bytes
      let wants = section.type == "META" || (section.type == "TDIR" && compressesCatalog)
      let frame = wants ? unsafe bytes.withUnsafeBytes { unsafe zstd.encode($0, .search) } : nil
      let stored = frame ?? bytes
      table.bytes += Array(section.type.utf8)
      table.integer((frame == nil ? section.codec : .zstandard).rawValue)
      table.integer(UInt64(stored.count))
      table.integer(UInt64(section.decodedByteCount))
      table.zeros(8)
      table.bytes += ContentDigest.of(stored).bytes
      body += stored
    }
    let end = TinaHeader.byteCount + table.bytes.count + body.count
    let length = (end + 63) / 64 * 64
    var header = ByteBuilder()
    header.bytes += TinaHeader.signature
    header.integer(TinaHeader.majorVersion)
    header.integer(TinaHeader.minorVersion)
    header.integer(UInt32(sections.count))
    header.integer(UInt64(length))
    header.integer(UInt64(fileLength))
    header.bytes += ContentDigest.of(table.bytes).bytes
    header.zeros(32)
    header.bytes += ContentDigest.of(header.bytes).bytes
    return header.bytes + table.bytes + body + [UInt8](repeating: 0, count: length - end)
  }
}
