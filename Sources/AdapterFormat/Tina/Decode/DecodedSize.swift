import ModelFiles

// Zeros compress to nothing: what a file decodes to is bounded before anything is allocated (spec, section 11).
extension TinaFile {
  /// The most bytes that a file of a length may decode to: real adapters stay far below. A new one, whose A comes from
  /// a seed and whose B is zero, fits while it has less than the first number.
  static func maximumDecodedByteCount(fileByteCount: Int) -> Int { max(512 << 20, 64 * fileByteCount) }

  /// - Throws: a fault if the tensors that are no views of the file take more.
  func checkDecodedSize() throws(TinaFault) {
    try catalog.checkDecodedSize(
      limit: Self.maximumDecodedByteCount(fileByteCount: file.byteCount), fileByteCount: file.byteCount)
  }

  /// The low-rank pairs and the shapes of their matrices, known before anything is decoded.
  package var pairShapes: [(module: String, a: [Int], b: [Int])] {
    catalog.entries.compactMap { entry in
      guard entry.kind == .lowRank else { return nil }
      let first = entry.tensors.lowerBound
      return (entry.module, catalog.tensors[first].shape, catalog.tensors[first + 1].shape)
    }
  }
}

extension AdapterFile {
  /// The pairs of a .tina file, its numbers unread; nil for other formats, and for a file that does not open.
  package static func undecodedShapes(
    path: String, layers: Int?
  ) -> [(module: String, a: [Int], b: [Int])]? {
    guard let place = try? AdapterPlace(path: path), place.format == .tina else { return nil }
    return (try? TinaFile(path: place.weights ?? path, layers: layers))?.pairShapes
  }
}

extension TinaCatalog {
  /// - Throws: a fault if the tensors that have to be decoded take more than the limit.
  func checkDecodedSize(limit: Int, fileByteCount: Int) throws(TinaFault) {
    var byteCount = 0
    for block in blocks where block.form != .refinement && !(block.form == .exact && block.isInPlace) {
      for tensor in block.tensors {
        let (sum, overflow) = byteCount.addingReportingOverflow(tensors[tensor].byteCount)
        byteCount = overflow ? .max : sum
      }
      guard byteCount <= limit else {
        throw TinaFault(
          .limit, "directory",
          found: "tensors of more than \(limit) bytes in a file of \(fileByteCount) bytes",
          expected: "at most \(limit) bytes, 64 times the file or 512 MiB",
          advice: "No adapter compresses so well: do not use a file whose origin you do not know.")
      }
    }
  }
}
