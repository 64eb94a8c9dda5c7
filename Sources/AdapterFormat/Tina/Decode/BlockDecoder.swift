import ModelFiles

/// Decodes blocks of a file (spec §8), after comparing their digests.
struct BlockDecoder: Sendable {
  let file: MappedFile
  let catalog: TinaCatalog
  /// The number of layers that are read.
  let layerCount: Int
  /// The tensors that predictor 2 begins with, by number of the tensor.
  let parents: [Int: Tensor]

  func fault(_ rule: TinaRule, _ block: Int, found: String, expected: String) -> TinaFault {
    TinaFault(rule, "block \(block)", found: found, expected: expected)
  }

  /// Compares the block's digest with its bytes.
  func check(_ number: Int) throws(TinaFault) {
    let block = catalog.blocks[number]
    let digest = unsafe file.bytes.extracting(block.range).withUnsafeBytes { unsafe ContentDigest.of($0) }
    guard digest.bytes.starts(with: block.digest) else {
      throw fault(
        .blockDigest, number, found: "other bytes than its digest says, in bytes \(block.range)",
        expected: "an undamaged block")
    }
  }

  /// The decoded streams of a block: views of the file where they are stored, else of `memory`.
  ///
  /// Valid until `memory` is used again, and as long as the file is mapped.
  func streams(_ number: Int, _ memory: DecodingMemory) throws(TinaFault) -> [UnsafeRawBufferPointer] {
    let block = catalog.blocks[number]
    var needed = 0
    for (stream, decoded) in zip(block.streams, block.decoded) where stream.codec == .zstandard {
      needed += (decoded + 63) / 64 * 64
    }
    let buffer = unsafe memory.bytes(needed)
    var used = 0
    var offset = block.range.lowerBound
    var views: [UnsafeRawBufferPointer] = unsafe []
    for (stream, decoded) in zip(block.streams, block.decoded) {
      let stored = unsafe UnsafeRawBufferPointer(start: file.baseAddress + offset, count: stream.length)
      offset += stream.length
      guard stream.codec == .zstandard else {
        unsafe views.append(stored)
        continue
      }
      let target = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[used..<used + decoded])
      if let found = unsafe memory.decoder.decode(stored, into: target) {
        throw fault(.zstd, number, found: found, expected: "a frame as the format demands it")
      }
      unsafe views.append(UnsafeRawBufferPointer(target))
      used += (decoded + 63) / 64 * 64
    }
    return unsafe views
  }

  /// The tensors of a block of form 0 or 1, in the order of ``TinaCatalog/Block/tensors``.
  ///
  /// - Parameter isTrusted: leaves a tensor in place unread, and its digest uncompared.
  func tensors(
    _ number: Int, names: [String], isTrusted: Bool, _ memory: DecodingMemory
  ) throws(TinaFault) -> [Tensor] {
    let block = catalog.blocks[number]
    if block.form == .exact && block.isInPlace {
      if !isTrusted { try check(number) }
      return [view(block.tensors[0], at: block.range.lowerBound, name: names[0])]
    }
    try check(number)
    var ranges: [Range<Int>] = []
    var total = 0
    for tensor in block.tensors {
      ranges.append(total..<total + catalog.tensors[tensor].byteCount)
      total = (ranges[ranges.count - 1].upperBound + 63) / 64 * 64
    }
    let decoded = try unsafe OwnedBytes(
      byteCount: total,
      unsafelyFilledBy: { (out: UnsafeMutableRawBufferPointer) throws(TinaFault) in
        for (i, range) in ranges.enumerated() {
          let end = i + 1 < ranges.count ? ranges[i + 1].lowerBound : total
          unsafe UnsafeMutableRawBufferPointer(rebasing: out[range.upperBound..<end])
            .initializeMemory(as: UInt8.self, repeating: 0)
        }
        if block.form == .exact {
          try unsafe decodeExact(number, ranges, out, memory)
        } else {
          try unsafe decodePairs(number, ranges, out, memory)
        }
      })
    return zip(block.tensors, zip(names, ranges)).map { number, place in
      let record = catalog.tensors[number]
      return Tensor(
        name: place.0, elementType: record.elementType, shape: record.shape, storage: .memory(decoded),
        byteRange: place.1)
    }
  }

  /// A tensor in place, unread.
  func view(_ tensor: Int, at offset: Int, name: String) -> Tensor {
    let record = catalog.tensors[tensor]
    return Tensor(
      name: name, elementType: record.elementType, shape: record.shape, file: file,
      byteRange: offset..<offset + record.byteCount)
  }

  private func decodeExact(
    _ number: Int, _ ranges: [Range<Int>], _ out: UnsafeMutableRawBufferPointer, _ memory: DecodingMemory
  ) throws(TinaFault) {
    let block = catalog.blocks[number]
    let streams = try unsafe streams(number, memory)
    guard let type = block.elementType else { return }
    if block.isPlain {
      var offset = 0
      for range in ranges {
        let source = unsafe UnsafeRawBufferPointer(rebasing: streams[0][offset..<offset + range.count])
        unsafe UnsafeMutableRawBufferPointer(rebasing: out[range]).copyMemory(from: source)
        offset += range.count
      }
      return
    }
    var planes: [UnsafePointer<UInt8>] = unsafe []
    for i in unsafe 0..<streams.count {
      // An empty stream may have no address; nothing is read through it.
      let address = unsafe streams[i].baseAddress ?? file.baseAddress
      unsafe planes.append(address.assumingMemoryBound(to: UInt8.self))
    }
    guard block.predictor == .none else {
      unsafe decodePredicted(block, type, planes, ranges, out)
      return
    }
    var offset = 0
    let transform = type.planeTransform
    for range in ranges where !range.isEmpty {
      guard let target = unsafe out.baseAddress.map({ unsafe $0 + range.lowerBound }) else { continue }
      let count = range.count / type.byteSize
      switch type.byteSize {
      case 1:
        unsafe Planes.join(
          planes, UInt8.self, offset: offset, count: count, transform: transform, into: target)
      case 2:
        unsafe Planes.join(
          planes, UInt16.self, offset: offset, count: count, transform: transform, into: target)
      case 4:
        unsafe Planes.join(
          planes, UInt32.self, offset: offset, count: count, transform: transform, into: target)
      default:
        unsafe Planes.join(
          planes, UInt64.self, offset: offset, count: count, transform: transform, into: target)
      }
      offset += count
    }
  }

  private func decodePredicted(
    _ block: TinaCatalog.Block, _ type: ElementType, _ planes: [UnsafePointer<UInt8>],
    _ ranges: [Range<Int>], _ out: UnsafeMutableRawBufferPointer
  ) {
    let predicted = block.tensors.map { number in
      let record = catalog.tensors[number]
      if block.predictor == .parent, let parent = parents[number] { return parent }
      return SeededInitialization.tensor(
        seed: catalog.seed, module: catalog.entries[record.entry].module, shape: record.shape,
        type: record.elementType)
    }
    var prediction = Prediction(type)
    for tensor in predicted {
      unsafe tensor.bytes.withUnsafeBytes { unsafe prediction.count($0) }
    }
    for (tensor, range) in zip(predicted, ranges) where !range.isEmpty {
      precondition(tensor.byteRange.count == range.count)
      guard let target = unsafe out.baseAddress.map({ unsafe $0 + range.lowerBound }) else { continue }
      unsafe tensor.bytes.withUnsafeBytes { unsafe prediction.join(planes, predicted: $0, into: target) }
    }
  }
}
