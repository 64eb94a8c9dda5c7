import ModelFiles

// Connects the catalog's records, checks them against each other, and places the blocks.
extension TinaCatalog {
  /// Gives each block its layer, its tensors and the decoded lengths of its streams.
  mutating func connect() throws(TinaFault) {
    try assignLayers()
    for (number, tensor) in tensors.enumerated() {
      guard tensor.block < blocks.count, blocks[tensor.block].form != .refinement else {
        throw TinaFault(
          .block, "tensor of " + quoted(entries[tensor.entry].module), found: "block \(tensor.block)",
          expected: "a block of the first layer")
      }
      blocks[tensor.block].tensors.append(number)
    }
    for number in blocks.indices {
      switch blocks[number].form {
      case .exact: try connectExact(number)
      case .pairs: try connectPairs(number)
      case .refinement: connectRefinement(number)
      }
      try checkStreams(number)
    }
    guard seed == 0 || blocks.contains(where: { $0.predictor == .seeded }) else {
      throw TinaFault(.predictor, "directory", found: "a seed that no block uses", expected: "0")
    }
    guard (parent != .zero) == blocks.contains(where: { $0.predictor == .parent }) else {
      throw TinaFault(
        .parent, "directory", found: parent == .zero ? "no parent's digest" : "a parent that no block uses",
        expected: "the digest of a parent exactly if a block uses it")
    }
  }

  private mutating func assignLayers() throws(TinaFault) {
    let base = blocks.prefix { $0.form != .refinement }.count
    let refined = (0..<base).filter { blocks[$0].form == .pairs }
    let expected = (1..<layers.count).flatMap { layer in refined.map { (layer, $0) } }
    guard blocks.count - base == expected.count else {
      throw TinaFault(
        .block, "directory", found: "\(blocks.count - base) blocks after the first layer's",
        expected: "\(expected.count): one in each further layer for each block of integer pairs")
    }
    for (offset, (layer, refines)) in expected.enumerated() {
      let number = base + offset
      guard blocks[number].form == .refinement, blocks[number].refines == refines else {
        throw TinaFault(
          .block, "block \(number)",
          found: "form \(blocks[number].form.rawValue), block \(blocks[number].refines)",
          expected: "the refinement of block \(refines)")
      }
      blocks[number].layer = layer
      blocks[refines].refinements.append(number)
    }
  }

  private mutating func connectExact(_ number: Int) throws(TinaFault) {
    let place = "block \(number)"
    let block = blocks[number]
    guard let type = block.elementType, !block.tensors.isEmpty else {
      throw TinaFault(.block, place, found: "no tensors", expected: "at least one")
    }
    guard !block.isInPlace || block.tensors.count == 1 else {
      throw TinaFault(
        .block, place, found: "\(block.tensors.count) tensors, stored plainly", expected: "one")
    }
    for tensor in block.tensors where tensors[tensor].elementType != type {
      throw TinaFault(
        .element, place, found: "a tensor of \(tensors[tensor].elementType.rawValue)",
        expected: type.rawValue + ", the block's type")
    }
    guard block.isPlain || !type.isPacked else {
      throw TinaFault(.arrangement, place, found: "byte planes of " + type.rawValue, expected: "plain")
    }
    if block.predictor != .none {
      guard type.readsAsFloats else {
        throw TinaFault(
          .predictor, place, found: "a predictor of " + type.rawValue, expected: "F32, F16 or BF16")
      }
      guard !block.isPlain else {
        throw TinaFault(.arrangement, place, found: "plain words with a predictor", expected: "byte planes")
      }
    }
    for tensor in block.tensors where block.predictor == .seeded {
      let entry = entries[tensors[tensor].entry]
      guard entry.kind == .lowRank, entry.tensors.lowerBound == tensor else {
        throw TinaFault(
          .predictor, place, found: "a seeded tensor that is no A of a low-rank pair", expected: "an A")
      }
    }
    var byteCount = 0
    for tensor in block.tensors {
      byteCount += tensors[tensor].byteCount
      guard byteCount <= 1 << 48 else {
        throw TinaFault(.limit, place, found: "tensors of more than 2^48 bytes", expected: "at most as many")
      }
    }
    blocks[number].decoded =
      block.isPlain
      ? [byteCount] : [Int](repeating: byteCount / type.byteSize, count: type.byteSize)
  }

  private mutating func connectPairs(_ number: Int) throws(TinaFault) {
    let place = "block \(number)"
    let block = blocks[number]
    guard let type = block.elementType, !block.tensors.isEmpty else {
      throw TinaFault(.block, place, found: "no tensors", expected: "at least one pair")
    }
    var symbols = 0
    var rows = 0
    for tensor in block.tensors {
      let record = tensors[tensor]
      let entry = entries[record.entry]
      guard entry.kind == .lowRank, entry.tensors.allSatisfy({ tensors[$0].block == number }) else {
        throw TinaFault(
          .block, place, found: "a tensor of " + quoted(entry.module) + " as part of integer pairs",
          expected: "low-rank pairs with both tensors")
      }
      guard record.elementType == .f32 else {
        throw TinaFault(
          .element, place, found: record.elementType.rawValue, expected: "F32, decoded from integers")
      }
      let isA = tensor == entry.tensors.lowerBound
      let rank = record.shape[isA ? 0 : 1]
      symbols += record.elementCount
      rows += rank
      guard rank <= 65536, symbols <= 1 << 32 else {
        throw TinaFault(
          .limit, place, found: "rank \(rank), \(symbols) symbols",
          expected: "rank 65536, 2^32 symbols at most")
      }
    }
    guard !block.isInPlace || block.tensors.count == 2 else {
      throw TinaFault(
        .block, place, found: "\(block.tensors.count / 2) pairs, stored plainly", expected: "one")
    }
    blocks[number].decoded =
      block.isPlain
      ? [symbols * type.byteSize, 2 * rows]
      : [Int](repeating: symbols, count: type.byteSize) + [rows, 2 * rows]
  }

  private mutating func connectRefinement(_ number: Int) {
    let bits = layers[blocks[number].layer].bits
    let refined = blocks[blocks[number].refines]
    let symbols = refined.tensors.reduce(0) { $0 + tensors[$1].elementCount }
    blocks[number].decoded = [(symbols * bits + 7) / 8]
  }

  private func checkStreams(_ number: Int) throws(TinaFault) {
    let block = blocks[number]
    for (stream, decoded) in zip(block.streams, block.decoded) {
      switch stream.codec {
      case .stored:
        guard stream.length == decoded else {
          throw TinaFault(
            .stream, "block \(number)", found: "a stored stream of \(stream.length) bytes",
            expected: "\(decoded)")
        }
      case .zstandard:
        // Rounded up: a stored length may be so large that the product overflows.
        guard (decoded + Zstandard.maximumExpansion - 1) / Zstandard.maximumExpansion <= stream.length else {
          throw TinaFault(
            .zstd, "block \(number)", found: "\(decoded) bytes from \(stream.length)",
            expected: "at most \(Zstandard.maximumExpansion) times as many")
        }
      }
    }
  }

  /// Gives each block its place in the file.
  mutating func layOut(indexLength: Int, fileLength: Int) throws(TinaFault) {
    var offset = indexLength
    var ends: [Int] = []
    for number in blocks.indices {
      while ends.count < blocks[number].layer { ends.append(offset) }
      if blocks[number].isInPlace { offset = (offset + 63) / 64 * 64 }
      let start = offset
      for stream in blocks[number].streams {
        offset += stream.length
        guard offset <= TinaHeader.maximumFileLength else {
          throw TinaFault(.limit, "block \(number)", found: "an end above 2^48", expected: "at most 2^48")
        }
      }
      blocks[number].range = start..<offset
    }
    while ends.count < layers.count { ends.append(offset) }
    for (number, layer) in layers.enumerated() where layer.end != ends[number] {
      throw TinaFault(
        .layout, "layer \(number + 1)", found: "an end at \(layer.end)",
        expected: "\(ends[number]), where its last block ends")
    }
    guard offset == fileLength else {
      throw TinaFault(
        .layout, "directory", found: "blocks that end at \(offset)",
        expected: "\(fileLength), the file's length")
    }
  }
}
