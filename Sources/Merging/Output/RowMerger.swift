import CKernels
import ModelFiles
import Support

/// Computes rows of the output's tensors: the base's rows, widened, with what the adapters add, and rounded. One
/// thread uses it, and its memory serves every piece.
struct RowMerger {
  let rounding: Rounding
  /// Whether to measure what rounding to blocks costs tensors that no adapter changes.
  let measuresRounding: Bool
  // What the adapters add to some rows, the same rows of their B, and all of their A.
  private var delta: [Float] = []
  private var b: [Float] = []
  private var packedA: [Float] = []
  /// The module that ``packedA`` belongs to.
  private var module: String?
  // Rows in float32: the base's, and what blocks hold without and with the adapters.
  private var values: [Float] = []
  private var before: [Float] = []
  private var after: [Float] = []
  // The base's rows in the output's order, where that is another.
  private var ordered: [UInt8] = []

  init(rounding: Rounding, measuresRounding: Bool) {
    self.rounding = rounding
    self.measuresRounding = measuresRounding
  }

  /// Makes the bytes of some rows.
  ///
  /// - Parameter target: room for them.
  /// - Returns: sums of what rounding did; nil where nothing was rounded.
  @unsafe mutating func compute(
    _ tensor: PlannedTensor, _ rows: Range<Int>, into target: UnsafeMutableRawPointer
  ) -> tk_merge_sums? {
    if let order = tensor.order {
      gather(tensor.source, rows, order)
      // The buffer is taken out while its bytes are read.
      var bytes: [UInt8] = []
      swap(&bytes, &ordered)
      defer { swap(&bytes, &ordered) }
      return unsafe bytes.withUnsafeBytes { bytes in
        unsafe bytes.baseAddress.flatMap { unsafe compute(tensor, rows, from: $0, into: target) }
      }
    }
    let base = tensor.source
    let source = unsafe base.baseAddress + base.elementType.byteCount(rows.lowerBound * base.columns)
    return unsafe compute(tensor, rows, from: source, into: target)
  }

  /// Brings the rows that belong to some of the output together.
  private mutating func gather(_ base: Tensor, _ rows: Range<Int>, _ order: (Int) -> Int) {
    let width = base.elementType.byteCount(base.columns)
    ordered.removeAll(keepingCapacity: true)
    for row in rows {
      let bytes = unsafe UnsafeRawBufferPointer(start: base.baseAddress + order(row) * width, count: width)
      unsafe ordered.append(contentsOf: bytes)
    }
  }

  @unsafe private mutating func compute(
    _ tensor: PlannedTensor, _ rows: Range<Int>, from source: UnsafeRawPointer,
    into target: UnsafeMutableRawPointer
  ) -> tk_merge_sums? {
    let base = tensor.source
    let count = rows.count * base.columns
    if tensor.sum == nil, tensor.type == base.elementType {
      unsafe target.copyMemory(from: source, byteCount: tensor.type.byteCount(count))
      return nil
    }
    var sums = tk_merge_sums()
    if tensor.type.isQuantised || base.elementType.isQuantised {
      unsafe throughFloats(tensor, rows, source, target, &sums)
    } else if let sum = tensor.sum {
      unsafe merge(tensor, sum, rows, source, target, &sums)
    } else {
      sums.infinite = unsafe tk_convert(source, base.elementType.kernel, count, target, tensor.type.kernel)
    }
    return sums
  }

  /// Merges rows of plain numbers, some rows at a time so that their sums stay in the processor's cache.
  @unsafe private mutating func merge(
    _ tensor: PlannedTensor, _ sum: LowRankSum, _ rows: Range<Int>, _ source: UnsafeRawPointer,
    _ target: UnsafeMutableRawPointer, _ sums: inout tk_merge_sums
  ) {
    let columns = sum.columns
    let type = tensor.source.elementType
    let group = prepare(sum)
    let rounding = kernelRounding(tensor.source.name)
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: group) {
      let end = min(start + group, rows.upperBound)
      computeDelta(sum, start..<end)
      let done = (start - rows.lowerBound) * columns
      if sum.magnitudes != nil {
        let count = (end - start) * columns
        Self.grow(&values, to: count)
        unsafe tk_to_f32(source + type.byteCount(done), type.kernel, &values, count)
        sum.scaleRows(start..<end, weights: values, delta: &delta)
      }
      unsafe tk_merge(
        source + type.byteCount(done), type.kernel, delta, (end - start) * columns,
        target + tensor.type.byteCount(done), tensor.type.kernel, rounding, UInt64(start * columns), &sums)
    }
  }

  /// Makes room for the sums of some rows; returns how many rows.
  private mutating func prepare(_ sum: LowRankSum) -> Int {
    // The kernel takes six rows at once.
    let group = max(6, (1 << 16) / sum.columns / 6 * 6)
    if module != sum.module {
      packedA = sum.packedA()
      module = sum.module
    }
    Self.grow(&delta, to: group * sum.columns)
    Self.grow(&b, to: group * sum.rank)
    return group
  }

  private static func grow(_ numbers: inout [Float], to count: Int) {
    if numbers.count < count { numbers = [Float](repeating: 0, count: count) }
  }

  /// Computes what the adapters add to some rows.
  private mutating func computeDelta(_ sum: LowRankSum, _ rows: Range<Int>) {
    sum.scaledB(rows, into: &b)
    unsafe tk_merge_delta(b, packedA, rows.count, sum.rank, sum.columns, &delta)
  }

  /// Merges or converts rows where the base or the output is in blocks: widened, summed, rounded.
  @unsafe private mutating func throughFloats(
    _ tensor: PlannedTensor, _ rows: Range<Int>, _ source: UnsafeRawPointer,
    _ output: UnsafeMutableRawPointer, _ sums: inout tk_merge_sums
  ) {
    let columns = tensor.source.columns
    let group = tensor.sum.map { prepare($0) } ?? max(1, (1 << 16) / max(columns, 1))
    Self.grow(&values, to: group * columns)
    Self.grow(&before, to: group * columns)
    Self.grow(&after, to: group * columns)
    let (from, to) = (tensor.source.elementType, tensor.type.kernel)
    let rounding = kernelRounding(tensor.source.name)
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: group) {
      let end = min(start + group, rows.upperBound)
      let count = (end - start) * columns
      let done = (start - rows.lowerBound) * columns
      let target = unsafe output + tensor.type.byteCount(done)
      unsafe tk_dequantise(source + from.byteCount(done), from.kernel, &values, count)
      if let sum = tensor.sum {
        computeDelta(sum, start..<end)
        sum.scaleRows(start..<end, weights: values, delta: &delta)
      }
      switch (tensor.type.isQuantised, tensor.sum != nil) {
      case (false, true):
        unsafe tk_merge(
          values, TK_F32, delta, count, target, to, rounding, UInt64(start * columns), &sums)
      case (false, false): sums.infinite += unsafe tk_convert(values, TK_F32, count, target, to)
      case (true, true):
        // The change is measured from what the blocks hold without the adapters.
        _ = unsafe tk_quantise(values, count, target, to)
        unsafe tk_dequantise(target, to, &before, count)
        unsafe tk_add(&values, delta, count)
        sums.infinite += unsafe tk_quantise(values, count, target, to)
        unsafe tk_dequantise(target, to, &after, count)
        unsafe tk_merge_measure(before, after, delta, count, &sums)
      case (true, false):
        sums.infinite += unsafe tk_quantise(values, count, target, to)
        guard measuresRounding else { break }
        // The change is measured from zero, which `before` holds: its error is that of rounding.
        unsafe tk_dequantise(target, to, &after, count)
        unsafe tk_merge_measure(before, after, values, count, &sums)
      }
    }
  }

  private func kernelRounding(_ name: String) -> tk_rounding {
    guard case .stochastic(let seed) = rounding else { return tk_rounding() }
    let stream = Digest.sha256(Array(name.utf8)).prefix(8).reversed().reduce(UInt64(0)) {
      $0 << 8 | UInt64($1)
    }
    return tk_rounding(stochastic: true, seed: seed, stream: stream)
  }
}
