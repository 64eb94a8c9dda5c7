public import ModelFiles

/// The result of validating a .tina file.
public struct TinaReport: Sendable {
  /// How much of the file is there.
  public enum Extent: Sendable, Equatable {
    /// All of it.
    case complete
    /// Cut exactly at the end of a layer: a weaker adapter.
    case prefix(layers: Int, of: Int)
    /// Cut elsewhere, or the index could not be read.
    case damaged
  }

  /// How much of it is there.
  public let extent: Extent
  /// Everything that is wrong; a prefix is no violation.
  public let violations: [AdapterError.Violation]
  /// The number of blocks that were read and compared with their digests.
  public let checkedBlockCount: Int
  /// The content digest, if it is computable and equals the stated one.
  public let contentDigest: ContentDigest?

  /// Whether the file is complete and breaks no rule.
  public var isValid: Bool { extent == .complete && violations.isEmpty }
}

extension TinaFile {
  /// Reads a whole file, checks every digest and rule, decodes everything, and reports all that is wrong.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - parents: files that may be the parent.
  /// - Throws: ``AdapterError`` if the file does not exist or cannot be read at all, or exceeds a limit that is Tina's
  ///   and not the format's.
  public static func verify(path: String, parents: [String] = []) throws(AdapterError) -> TinaReport {
    let map: MappedFile
    do throws(ModelFilesError) {
      map = try MappedFile(path: path)
    } catch {
      throw AdapterError(path: path, violations: [.init(error)])
    }
    do throws(TinaFault) {
      let file = try TinaFile(map, layers: nil, parents: TinaParents(parents), depth: 0, allowsCut: true)
      return try file.verified()
    } catch {
      guard error.rule != nil else { throw error.error(file: path) }
      return TinaReport(
        extent: .damaged, violations: [error.violation(file: path)], checkedBlockCount: 0, contentDigest: nil)
    }
  }

  private func verified() throws(TinaFault) -> TinaReport {
    try checkDecodedSize()
    var violations: [AdapterError.Violation] = []
    var extent = TinaReport.Extent.complete
    if file.byteCount < header.fileLength {
      let isPrefix = layerCount > 0 && catalog.layers[layerCount - 1].end == file.byteCount
      extent = isPrefix ? .prefix(layers: layerCount, of: catalog.layers.count) : .damaged
      if !isPrefix {
        let fault = TinaFault(
          .truncated, "", found: "\(file.byteCount) bytes", expected: "\(header.fileLength)")
        violations.append(fault.violation(file: path))
      }
    }
    let present = catalog.blocks.indices.filter { catalog.blocks[$0].layer < layerCount }
    violations += paddingFaults().map { $0.violation(file: path) }
    let decoder = try decoder()
    let results = try inParallel(map: present.count, context: { DecodingMemory() }) {
      (index, memory) throws(TinaFault) -> BlockResult in
      let number = present[index]
      do throws(TinaFault) {
        // A refinement is decoded with the block that it refines; here only its own digest is compared.
        if catalog.blocks[number].form == .refinement { try decoder.check(number) }
        guard catalog.blocks[number].form != .refinement else { return BlockResult() }
        let names = [String](repeating: "", count: catalog.blocks[number].tensors.count)
        let tensors = try decoder.tensors(number, names: names, isTrusted: false, memory)
        return BlockResult(
          digests: tensors.map { tensor in
            unsafe tensor.bytes.withUnsafeBytes { unsafe ContentDigest.of($0) }
          })
      } catch {
        return BlockResult(fault: error)
      }
    }
    // A damaged refinement shows twice, by itself and in the block that it refines: it is listed once.
    for result in results {
      if let violation = result.fault?.violation(file: path), !violations.contains(violation) {
        violations.append(violation)
      }
    }
    var digest: ContentDigest?
    if violations.isEmpty, extent == .complete {
      let content = content(zip(present, results).map { ($0, $1.digests) })
      if content == catalog.contentDigest {
        digest = content
      } else {
        let fault = TinaFault(
          .contentDigest, "directory", found: "the content digest \(catalog.contentDigest)",
          expected: "\(content), that of the content")
        violations.append(fault.violation(file: path))
      }
    }
    return TinaReport(
      extent: extent, violations: violations, checkedBlockCount: present.count, contentDigest: digest)
  }

  private struct BlockResult: Sendable {
    var digests: [ContentDigest] = []
    var fault: TinaFault?
  }

  private func content(_ blocks: [(Int, [ContentDigest])]) -> ContentDigest {
    var digests = [ContentDigest?](repeating: nil, count: catalog.tensors.count)
    for (number, its) in blocks {
      for (tensor, digest) in zip(catalog.blocks[number].tensors, its) { digests[tensor] = digest }
    }
    var hash = ContentHash()
    for entry in catalog.entries {
      for (position, number) in entry.tensors.enumerated() {
        let record = catalog.tensors[number]
        hash.append(
          entry, position: position, type: record.elementType, shape: record.shape,
          digest: digests[number] ?? .zero)
      }
    }
    return hash.digest
  }

  /// Bytes between the blocks that are read which are not zero.
  func paddingFaults() -> [TinaFault] {
    var faults: [TinaFault] = []
    var end = header.indexLength
    for number in catalog.blocks.indices where catalog.blocks[number].layer < layerCount {
      let start = catalog.blocks[number].range.lowerBound
      if start > end, file.copy(end..<start).contains(where: { $0 != 0 }) {
        faults.append(
          TinaFault(
            .padding, "bytes \(end)…\(start - 1)", found: "a byte that is not zero", expected: "zeros"))
      }
      end = catalog.blocks[number].range.upperBound
    }
    return faults
  }
}
