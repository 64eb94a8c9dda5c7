import ModelFiles

/// A low-rank pair as integers: ΔW = scale · QB · diag(g) · QA (spec §8.2).
///
/// A kernel can compute on them: y += scale · QB · (g ∘ (QA · x)).
public struct IntegerPair: Sendable {
  /// Inner dimension.
  public let rank: Int
  /// Columns of A.
  public let inputCount: Int
  /// Rows of B.
  public let outputCount: Int
  /// QA, `[rank, in]`.
  public var a: [Int32]
  /// QB transposed, `[rank, out]`: each component in one run.
  public var b: [Int32]
  /// One scale for each component.
  public var scales: [Float]

  /// The two factors of g by which decoded A and B are multiplied: a power of two near its root, and the rest.
  static func split(_ g: Float) -> (a: Float, b: Float) {
    guard g > 0 else { return (1, 0) }
    let exponent = Int(g.exponent)
    let h = Float(sign: .plus, exponent: exponent >> 1, significand: 1)
    return (h, g / h)
  }
}

/// The rows of a block of integer pairs, and the order in which their integers are stored.
struct PairRows {
  struct Row {
    let pair: Int
    let component: Int
    let isA: Bool
    let length: Int
    /// Where its integers begin in the symbol order.
    var start = 0
  }

  private(set) var rows: [Row] = []
  /// Numbers of the rows in symbol order.
  private(set) var order: [Int] = []

  /// - Parameters:
  ///   - shapes: rank, in and out of each pair.
  ///   - tiers: one for each row, or nil if rows are stored in their order.
  init(shapes: [(rank: Int, input: Int, output: Int)], tiers: [UInt8]?) {
    for (pair, shape) in shapes.enumerated() {
      for isA in [true, false] {
        for component in 0..<shape.rank {
          rows.append(
            Row(pair: pair, component: component, isA: isA, length: isA ? shape.input : shape.output))
        }
      }
    }
    order.reserveCapacity(rows.count)
    if let tiers {
      for tier in UInt8(0)...15 {
        for (number, its) in tiers.enumerated() where its == tier { order.append(number) }
      }
    } else {
      order = Array(rows.indices)
    }
    var start = 0
    for number in order {
      rows[number].start = start
      start += rows[number].length
    }
  }
}

extension BlockDecoder {
  /// Decodes pairs to single-precision floats, with the layers that are read.
  func decodePairs(
    _ number: Int, _ ranges: [Range<Int>], _ out: UnsafeMutableRawBufferPointer, _ memory: DecodingMemory
  ) throws(TinaFault) {
    let (rows, symbols, scales) = try integers(number, memory)
    let block = catalog.blocks[number]
    guard let base = out.baseAddress else { return }
    var firstScale = 0
    var firstRow = 0
    for pair in 0..<block.tensors.count / 2 {
      let shape = shape(of: block, pair)
      let a = unsafe (base + ranges[2 * pair].lowerBound).assumingMemoryBound(to: Float.self)
      let b = unsafe (base + ranges[2 * pair + 1].lowerBound).assumingMemoryBound(to: Float.self)
      let factors = (0..<shape.rank).map { IntegerPair.split(scales[firstScale + $0]) }
      let starts = (0..<2 * shape.rank).map { rows.rows[firstRow + $0].start }
      unsafe symbols.withUnsafeBufferPointer { q in
        for c in 0..<shape.rank {
          for j in 0..<shape.input { unsafe a[c * shape.input + j] = factors[c].a * Float(q[starts[c] + j]) }
        }
        for i in 0..<shape.output {
          for c in 0..<shape.rank {
            unsafe b[i * shape.rank + c] = factors[c].b * Float(q[starts[shape.rank + c] + i])
          }
        }
      }
      firstScale += shape.rank
      firstRow += 2 * shape.rank
    }
  }

  func shape(of block: TinaCatalog.Block, _ pair: Int) -> (rank: Int, input: Int, output: Int) {
    let a = catalog.tensors[block.tensors[2 * pair]].shape
    return (a[0], a[1], catalog.tensors[block.tensors[2 * pair + 1]].shape[0])
  }

  /// A block's pairs as integers.
  func integerPairs(_ number: Int, _ memory: DecodingMemory) throws(TinaFault) -> [IntegerPair] {
    let (rows, symbols, scales) = try integers(number, memory)
    let block = catalog.blocks[number]
    var pairs: [IntegerPair] = []
    var firstScale = 0
    var firstRow = 0
    for pair in 0..<block.tensors.count / 2 {
      let shape = shape(of: block, pair)
      func gather(_ range: Range<Int>) -> [Int32] {
        range.flatMap { row in symbols[rows.rows[row].start..<rows.rows[row].start + rows.rows[row].length] }
      }
      pairs.append(
        IntegerPair(
          rank: shape.rank, inputCount: shape.input, outputCount: shape.output,
          a: gather(firstRow..<firstRow + shape.rank),
          b: gather(firstRow + shape.rank..<firstRow + 2 * shape.rank),
          scales: Array(scales[firstScale..<firstScale + shape.rank])))
      firstScale += shape.rank
      firstRow += 2 * shape.rank
    }
    return pairs
  }

  /// Rows, integers in symbol order, and scales of a block of pairs.
  private func integers(
    _ number: Int, _ memory: DecodingMemory
  ) throws(TinaFault) -> (PairRows, [Int32], [Float]) {
    let block = catalog.blocks[number]
    let streams = try unsafe streams(number, memory)
    let planeCount = block.streams.count - (block.isPlain ? 1 : 2)
    let tiers = block.isPlain ? nil : unsafe Array(streams[planeCount])
    if let tier = tiers?.first(where: { $0 > 15 }) {
      throw fault(.tier, number, found: "tier \(tier)", expected: "0 to 15")
    }
    let scales = try unsafe scales(number, streams[streams.count - 1])
    let count = block.decoded[0] / (block.isPlain ? (block.elementType?.byteSize ?? 1) : 1)
    var symbols = unsafe [Int32](unsafeUninitializedCapacity: count) { out, initialized in
      initialized = count
      let bytes = unsafe streams[0]
      switch (block.elementType, block.isPlain) {
      case (.i8, true):
        for i in 0..<count { unsafe out[i] = Int32(Int8(bitPattern: bytes[i])) }
      case (.i8, false):
        for i in 0..<count { unsafe out[i] = Int32(Int8(bitPattern: Planes.unzigzag(bytes[i]))) }
      case (_, true):
        for i in 0..<count {
          let word = unsafe UInt16(bytes[2 * i]) | UInt16(bytes[2 * i + 1]) << 8
          unsafe out[i] = Int32(Int16(bitPattern: word))
        }
      default:
        let high = unsafe streams[1]
        for i in 0..<count {
          let word = unsafe UInt16(bytes[i]) | UInt16(high[i]) << 8
          unsafe out[i] = Int32(Int16(bitPattern: Planes.unzigzag(word)))
        }
      }
    }
    for layer in catalog.layers.indices.dropFirst() {
      let bits = catalog.layers[layer].bits
      guard layer < layerCount else {
        for i in 0..<count { symbols[i] <<= Int32(bits) }
        continue
      }
      try refine(&symbols, number, layer, bits, memory)
    }
    let shapes = (0..<block.tensors.count / 2).map { shape(of: block, $0) }
    return (PairRows(shapes: shapes, tiers: tiers), symbols, scales)
  }

  private func scales(_ number: Int, _ stream: UnsafeRawBufferPointer) throws(TinaFault) -> [Float] {
    var scales: [Float] = []
    for i in 0..<stream.count / 4 {
      let bits = unsafe stream.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self)
      let scale = Float(bitPattern: UInt32(littleEndian: bits))
      guard scale.isNormal && scale > 0 || scale.bitPattern == 0 else {
        throw fault(.scale, number, found: "the scale \(scale)", expected: "positive and normal, or zero")
      }
      scales.append(scale)
    }
    return scales
  }

  private func refine(
    _ symbols: inout [Int32], _ number: Int, _ layer: Int, _ bits: Int, _ memory: DecodingMemory
  ) throws(TinaFault) {
    let refinement = catalog.blocks[number].refinements[layer - 1]
    try check(refinement)
    let stream = try unsafe streams(refinement, memory)[0]
    let count = symbols.count
    let used = count * bits
    if used % 8 != 0, unsafe stream[stream.count - 1] >> UInt8(used % 8) != 0 {
      throw fault(.padding, refinement, found: "unused bits that are not zero", expected: "zeros")
    }
    let half = Int32(1) << Int32(bits - 1)
    let mask = UInt32(1) << UInt32(bits) - 1
    unsafe symbols.withUnsafeMutableBufferPointer { q in
      for i in 0..<count {
        let bit = i * bits
        var window = unsafe UInt32(stream[bit >> 3])
        if bit & 7 + bits > 8 { window |= unsafe UInt32(stream[bit >> 3 + 1]) << 8 }
        let u = Int32(window >> UInt32(bit & 7) & mask)
        unsafe q[i] = q[i] << Int32(bits) + u - half
      }
    }
  }
}
