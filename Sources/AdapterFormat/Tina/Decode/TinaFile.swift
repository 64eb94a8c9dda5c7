public import ModelFiles

/// A mapped .tina file. Opening it checks its index, decoding checks its data.
///
/// ```swift
/// let archive = try TinaFile(path: "adapter.tina").archive()
/// ```
public struct TinaFile: Sendable {
  /// A quality layer.
  public struct Layer: Sendable {
    /// Where its data end in the file: a file cut there is a valid prefix.
    public let end: Int
    /// Bits that it adds to each integer; 0 for the first layer.
    public let bits: Int
    /// Largest relative error of ΔW in a module, with this layer and those before it.
    public let worstError: Float
    /// Relative error over all modules, likewise.
    public let totalError: Float

    init(_ layer: TinaCatalog.Layer) {
      end = layer.end
      bits = layer.bits
      worstError = layer.worstError
      totalError = layer.totalError
    }
  }

  /// The path as it was given.
  public let path: String
  /// How many layers are read; all of them unless fewer were asked for.
  public let layerCount: Int
  /// Sections that this version does not know, and may skip.
  public let sections: [TinaSection]
  /// Members of the metadata that this version does not know.
  public var unknownMetadata: JSONObject? { metadata.unknown }
  /// Identifies the file, bit for bit.
  public let fileDigest: ContentDigest
  /// Length of the complete file in bytes.
  public let byteCount: Int
  /// The base by its content, or nil: "base not identified".
  public let base: BaseIdentity?
  let file: MappedFile
  let header: TinaHeader
  let catalog: TinaCatalog
  let metadata: TinaMetadata
  /// The parent, if the tensors are differences from one.
  let parent: Parent?

  /// The file from which this file's tensors are differences.
  final class Parent: Sendable {
    let file: TinaFile
    init(_ file: TinaFile) { self.file = file }
  }

  /// Opens a file and checks its index; no data are read.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - layers: how many quality layers to read; nil: all. With a number, the file may be cut behind that layer.
  ///   - parents: files that may be the parent. After them the file that the metadata name, beside this one, is tried,
  ///     then the run's other checkpoints. Its content is compared with its digest when tensors are decoded.
  ///   - residence: where its bytes are kept.
  /// - Throws: ``AdapterError`` whose violation names the rule that is broken. A cut file is refused, unless
  ///   `layers` asks for layers that it still has.
  public init(
    path: String, layers: Int? = nil, parents: [String] = [], _ residence: MappedFile.Residence = .mapped
  ) throws(AdapterError) {
    let file: MappedFile
    do throws(ModelFilesError) {
      file = try MappedFile(path: path, residence)
    } catch {
      throw AdapterError(path: path, violations: [.init(error)])
    }
    do throws(TinaFault) {
      try self.init(file, layers: layers, parents: TinaParents(parents), depth: 0)
    } catch {
      throw error.error(file: path)
    }
  }

  /// - Parameter allowsCut: whether to open cut files with their complete layers, as a validator does.
  init(
    _ file: MappedFile, layers: Int?, parents: TinaParents, depth: Int, allowsCut: Bool = false
  ) throws(TinaFault) {
    header = try TinaHeader(file)
    var unknown: [TinaSection] = []
    var contents: [String: [UInt8]] = [:]
    for section in header.sections {
      if section.isAncillary {
        try TinaHeader.check(section, in: file)
        unknown.append(TinaSection(section, stored: file.copy(section.range)))
      } else {
        contents[section.type] = try TinaHeader.contents(of: section, in: file)
      }
    }
    metadata = try TinaMetadata(contents["META"] ?? [])
    var base: BaseIdentity?
    if let bytes = contents["BASE"] {
      do throws(AdapterError) {
        base = try BaseIdentity(bytes: bytes, file: file.path)
      } catch {
        let first = error.violations[0]
        throw TinaFault(.base, "section BASE, " + first.place, found: first.found, expected: first.expected)
      }
    }
    catalog = try TinaCatalog(
      contents["TDIR"] ?? [], indexLength: header.indexLength, fileLength: header.fileLength)
    self.file = file
    self.base = base
    path = file.path
    sections = unknown
    fileDigest = header.fileDigest
    byteCount = header.fileLength
    let present = catalog.layers.prefix { $0.end <= file.byteCount }.count
    let isCut = file.byteCount < header.fileLength
    layerCount = allowsCut && isCut ? present : layers ?? catalog.layers.count
    guard (1...catalog.layers.count).contains(layerCount) || (allowsCut && layerCount == 0) else {
      throw TinaFault(
        .layers, "", found: "\(layerCount) layers asked for", expected: "1 to \(catalog.layers.count)")
    }
    if isCut && !allowsCut && (layers == nil || layerCount > present) {
      throw Self.cut(file, catalog, present: present, wanted: layers)
    }
    parent =
      catalog.parent == .zero
      ? nil
      : Parent(try parents.find(catalog.parent, of: file.path, hint: metadata.parentName, depth: depth + 1))
  }

  private static func cut(
    _ file: MappedFile, _ catalog: TinaCatalog, present: Int, wanted: Int?
  ) -> TinaFault {
    let length = catalog.layers.last?.end ?? 0
    guard present > 0 else {
      return TinaFault(
        .truncated, "", found: "\(file.byteCount) of \(length) bytes, not even the first layer",
        expected: "the complete file")
    }
    let layer = catalog.layers[present - 1]
    let isPrefix = layer.end == file.byteCount
    let error = "\(Double((layer.worstError * 1000).rounded(.up)) / 10) %"
    return TinaFault(
      .truncated, "",
      found: "\(file.byteCount) of \(length) bytes: "
        + (isPrefix ? "a prefix of \(present) of" : "cut within layer \(present + 1) of")
        + " \(catalog.layers.count) layers",
      expected: wanted.map { "\($0) layers" } ?? "the complete file",
      advice: "Download the rest, or ask for layers=\(present): modules are then up to \(error) off.")
  }

  /// The digest of the file's content, independent of its encoding.
  public var contentDigest: ContentDigest { catalog.contentDigest }
  /// The content digest of the file that this one needs, or nil.
  public var parentDigest: ContentDigest? { catalog.parent == .zero ? nil : catalog.parent }
  /// The layers that the complete file has.
  public var layers: [Layer] { catalog.layers.map(Layer.init) }
  /// Whether the numbers are those of the source bit for bit.
  public var isExact: Bool { catalog.entries.allSatisfy { $0.errors.allSatisfy { $0 == 0 } } }

  /// The file's whole content, decoded on all cores; plainly stored tensors stay views of the file.
  ///
  /// - Parameter isTrusted: leaves plainly stored tensors unread, and their digests uncompared.
  /// - Throws: ``AdapterError`` if a byte is not what the digests say.
  public func archive(isTrusted: Bool = false) throws(AdapterError) -> AdapterArchive {
    do throws(TinaFault) {
      return try decoded(isTrusted: isTrusted)
    } catch {
      throw error.error(file: path)
    }
  }

  func decoded(isTrusted: Bool) throws(TinaFault) -> AdapterArchive {
    try checkDecodedSize()
    let names = catalog.entries.map(\.peftNames)
    let decoder = try decoder()
    if !isTrusted, let fault = paddingFaults().first { throw fault }
    let blocks = catalog.blocks.indices.filter { catalog.blocks[$0].layer == 0 }
    let decoded = try inParallel(map: blocks.count, context: { DecodingMemory() }) {
      (index, memory) throws(TinaFault) -> [Tensor] in
      let its = catalog.blocks[blocks[index]].tensors.map { number -> String in
        let entry = catalog.tensors[number].entry
        return names[entry][number - catalog.entries[entry].tensors.lowerBound]
      }
      return try decoder.tensors(blocks[index], names: its, isTrusted: isTrusted, memory)
    }
    var tensors = [Tensor?](repeating: nil, count: catalog.tensors.count)
    for (block, its) in zip(blocks, decoded) {
      for (number, tensor) in zip(catalog.blocks[block].tensors, its) { tensors[number] = tensor }
    }
    let entries = catalog.entries.map { entry in
      AdapterEntry(entry, tensors: entry.tensors.compactMap { tensors[$0] })
    }
    return AdapterArchive(
      entries: entries, configuration: metadata.configuration, tensorMetadata: metadata.tensorMetadata,
      baseModelName: metadata.baseModelName, base: base, training: metadata.training)
  }

  /// The low-rank pairs that are stored as integers, by module, with the layers that are read: operands for kernels.
  ///
  /// - Throws: ``AdapterError`` if a block is damaged.
  public func integerPairs() throws(AdapterError) -> [String: IntegerPair] {
    do throws(TinaFault) {
      try checkDecodedSize()
      let decoder = try decoder()
      let blocks = catalog.blocks.indices.filter { catalog.blocks[$0].form == .pairs }
      let decoded = try inParallel(map: blocks.count, context: { DecodingMemory() }) {
        (index, memory) throws(TinaFault) -> [IntegerPair] in
        try decoder.check(blocks[index])
        return try decoder.integerPairs(blocks[index], memory)
      }
      var pairs: [String: IntegerPair] = [:]
      for (block, its) in zip(blocks, decoded) {
        for (number, pair) in its.enumerated() {
          let tensor = catalog.tensors[catalog.blocks[block].tensors[2 * number]]
          pairs[catalog.entries[tensor.entry].module] = pair
        }
      }
      return pairs
    } catch {
      throw error.error(file: path)
    }
  }

  /// A decoder for the layers that are read.
  func decoder() throws(TinaFault) -> BlockDecoder {
    BlockDecoder(
      file: file, catalog: catalog, layerCount: layerCount, parents: try parentTensors())
  }
}
