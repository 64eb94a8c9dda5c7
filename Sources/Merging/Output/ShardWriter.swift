import AdapterFormat
import CKernels
import Dispatch
import ModelFiles
import Synchronization
import Support

/// Computes and writes one file of the output, row block by row block, on several threads.
///
/// Memory is what the threads hold: three pieces of the output each, one being made while the others are written, the
/// factors of one module, and the sums of a few rows. What is written does not depend on the number of threads.
struct ShardWriter {
  let file: PlannedFile
  let settings: MergeSettings
  /// Whether to measure what rounding to blocks costs tensors that no adapter changes.
  var measuresRounding = false
  /// Called from several threads with the number of bytes that were written since the last call.
  let onBytes: @Sendable (Int) -> Void

  /// Rows of one tensor that one thread computes at once.
  private struct Piece {
    let tensor: Int
    let rows: Range<Int>
  }

  private struct Outcome {
    var sums: [(piece: Int, tensor: Int, sums: tk_merge_sums)] = []
    var error: MergeError?
    var flushed = 0
    var written = 0
  }

  /// Bytes after which the system is told to begin to bring them to the disk.
  private static let flushInterval = 128 << 20

  /// Writes the file and brings it to the disk.
  ///
  /// - Returns: what became of each module's change, in the order of the tensors.
  func write(to path: String) throws(MergeError) -> [ModuleMeasure] {
    let output = try OutputFile(path: path)
    try unsafe output.write(file.header.span.bytes, at: 0)
    try output.extend(to: file.byteCount)
    return try write(to: output)
  }

  /// Writes the tensors to their places.
  ///
  /// - Returns: what became of each module's change, in the order of the tensors.
  func write(to output: some WeightSink) throws(MergeError) -> [ModuleMeasure] {
    let pieces = pieces()
    let next = Atomic(0)
    let outcome = Mutex(Outcome())
    let flusher = DispatchQueue(label: "tina merge flush")
    DispatchQueue.concurrentPerform(iterations: min(settings.threads, max(pieces.count, 1))) { _ in
      // The disk works on some pieces while the next is computed.
      let buffers = (0..<Self.bufferCount).map { _ in PieceBuffer() }
      let writing = buffers.map { _ in DispatchQueue(label: "tina merge write") }
      var scratch = Scratch()
      var turn = 0
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < pieces.count, outcome.withLock({ $0.error == nil }) else { break }
        let piece = pieces[index]
        let (offset, size) = place(piece)
        let (buffer, writing) = (buffers[turn % buffers.count], writing[turn % buffers.count])
        turn += 1
        buffer.take(byteCount: size, for: offset)
        if let sums = unsafe compute(piece, into: buffer.start, &scratch) {
          outcome.withLock { $0.sums.append((index, piece.tensor, sums)) }
        }
        writing.async {
          defer { buffer.release() }
          do throws(MergeError) {
            try unsafe output.write(buffer.bytes, at: offset)
          } catch {
            outcome.withLock { $0.error = $0.error ?? error }
            return
          }
          let mustFlush = outcome.withLock { state in
            state.written += size
            guard output.isBuffered, state.written - state.flushed >= Self.flushInterval else { return false }
            state.flushed = state.written
            return true
          }
          // Beside the writing: an error shows again when the whole file is flushed.
          if mustFlush { flusher.async { try? output.flush() } }
          onBytes(size)
        }
      }
      for queue in writing { queue.sync {} }
    }
    flusher.sync {}
    let (sums, error) = outcome.withLock { ($0.sums.sorted { $0.piece < $1.piece }, $0.error) }
    if let error { throw error }
    try output.flush()
    return try measures(sums)
  }

  private func pieces() -> [Piece] {
    var pieces: [Piece] = []
    for (index, tensor) in file.tensors.enumerated() {
      let (rows, columns) = (tensor.source.rows, tensor.source.columns)
      let rowBytes = max(1, tensor.type.byteCount(columns))
      // Blocks take long to make: pieces of fewer elements than bytes would allow keep all threads busy.
      let count = max(1, min(settings.pieceByteCount / rowBytes, Self.pieceElementCount / max(columns, 1)))
      for start in stride(from: 0, to: rows, by: count) {
        pieces.append(Piece(tensor: index, rows: start..<min(start + count, rows)))
      }
    }
    return pieces
  }

  private static let pieceElementCount = 4 << 20
  private static let bufferCount = 3

  /// Where a piece begins in the file, and its bytes there.
  private func place(_ piece: Piece) -> (offset: Int, byteCount: Int) {
    let tensor = file.tensors[piece.tensor]
    let columns = tensor.source.columns
    return (
      tensor.offset + tensor.type.byteCount(piece.rows.lowerBound * columns),
      tensor.type.byteCount(piece.rows.count * columns)
    )
  }

  /// Memory of one thread, used again for every piece.
  private struct Scratch {
    var delta: [Float] = []
    var b: [Float] = []
    var packedA: [Float] = []
    var module: String?
    /// Rows in float32: the base's, and what blocks hold without and with the adapters.
    var values: [Float] = []
    var before: [Float] = []
    var after: [Float] = []
  }

  /// Makes the bytes of a piece.
  ///
  /// - Returns: sums of the piece; nil where nothing was rounded.
  @unsafe private func compute(
    _ piece: Piece, into target: UnsafeMutableRawPointer, _ scratch: inout Scratch
  ) -> tk_merge_sums? {
    let tensor = file.tensors[piece.tensor]
    let columns = tensor.source.columns
    let count = piece.rows.count * columns
    let source =
      unsafe tensor.source.baseAddress
      + tensor.source.elementType.byteCount(piece.rows.lowerBound * columns)
    if tensor.sum == nil, tensor.type == tensor.source.elementType {
      unsafe target.copyMemory(from: source, byteCount: tensor.type.byteCount(count))
      return nil
    }
    var sums = tk_merge_sums()
    if tensor.type.isQuantised || tensor.source.elementType.isQuantised {
      unsafe throughFloats(tensor, piece.rows, source, target, &scratch, &sums)
    } else if let sum = tensor.sum {
      unsafe merge(tensor, sum, piece.rows, source, target, &scratch, &sums)
    } else {
      sums.infinite = unsafe tk_convert(
        source, tensor.source.elementType.kernel, count, target, tensor.type.kernel)
    }
    return sums
  }

  /// Merges the rows of a piece, some rows at a time so that their sums stay near.
  @unsafe private func merge(
    _ tensor: PlannedTensor, _ sum: LowRankSum, _ rows: Range<Int>, _ source: UnsafeRawPointer,
    _ target: UnsafeMutableRawPointer, _ scratch: inout Scratch, _ sums: inout tk_merge_sums
  ) {
    let columns = sum.columns
    let group = prepare(sum, &scratch)
    let rounding = rounding(tensor.source.name)
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: group) {
      let end = min(start + group, rows.upperBound)
      delta(sum, start..<end, &scratch)
      let done = (start - rows.lowerBound) * columns
      unsafe tk_merge(
        source + tensor.source.elementType.byteCount(done), tensor.source.elementType.kernel, scratch.delta,
        (end - start) * columns, target + tensor.type.byteCount(done), tensor.type.kernel, rounding,
        UInt64(start * columns), &sums)
    }
  }

  /// Makes room for the sums of some rows; returns how many rows.
  private func prepare(_ sum: LowRankSum, _ scratch: inout Scratch) -> Int {
    let group = max(6, (1 << 16) / sum.columns / 6 * 6)
    if scratch.module != sum.module {
      scratch.packedA = sum.packedA()
      scratch.module = sum.module
    }
    if scratch.delta.count < group * sum.columns {
      scratch.delta = [Float](repeating: 0, count: group * sum.columns)
    }
    if scratch.b.count < group * sum.rank { scratch.b = [Float](repeating: 0, count: group * sum.rank) }
    return group
  }

  /// What the adapters add to some rows, into the scratch sums.
  private func delta(_ sum: LowRankSum, _ rows: Range<Int>, _ scratch: inout Scratch) {
    sum.scaledB(rows, into: &scratch.b)
    unsafe scratch.delta.withUnsafeMutableBufferPointer { delta in
      unsafe tk_merge_delta(
        scratch.b, scratch.packedA, rows.count, sum.rank, sum.columns, delta.baseAddress!)
    }
  }

  /// The rows of a piece where the base or the output is in blocks: widened, summed, rounded.
  @unsafe private func throughFloats(
    _ tensor: PlannedTensor, _ rows: Range<Int>, _ source: UnsafeRawPointer,
    _ output: UnsafeMutableRawPointer, _ scratch: inout Scratch, _ sums: inout tk_merge_sums
  ) {
    let columns = tensor.source.columns
    let group = tensor.sum.map { prepare($0, &scratch) } ?? max(1, (1 << 16) / max(columns, 1))
    let room = group * columns
    if scratch.values.count < room { scratch.values = [Float](repeating: 0, count: room) }
    if scratch.before.count < room { scratch.before = [Float](repeating: 0, count: room) }
    if scratch.after.count < room { scratch.after = [Float](repeating: 0, count: room) }
    let rounding = rounding(tensor.source.name)
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: group) {
      let end = min(start + group, rows.upperBound)
      let count = (end - start) * columns
      let done = (start - rows.lowerBound) * columns
      unsafe tk_dequantise(
        source + tensor.source.elementType.byteCount(done), tensor.source.elementType.kernel, &scratch.values,
        count)
      if let sum = tensor.sum { delta(sum, start..<end, &scratch) }
      let target = unsafe output + tensor.type.byteCount(done)
      switch (tensor.type.isQuantised, tensor.sum != nil) {
      case (false, true):
        unsafe tk_merge(
          scratch.values, TK_F32, scratch.delta, count, target, tensor.type.kernel, rounding,
          UInt64(start * columns), &sums)
      case (false, false):
        sums.infinite += unsafe tk_convert(scratch.values, TK_F32, count, target, tensor.type.kernel)
      case (true, true):
        // What the blocks would hold without the adapters is what the change is measured from.
        _ = unsafe tk_quantise(scratch.values, count, target, tensor.type.kernel)
        unsafe tk_dequantise(target, tensor.type.kernel, &scratch.before, count)
        unsafe tk_add(&scratch.values, scratch.delta, count)
        sums.infinite += unsafe tk_quantise(scratch.values, count, target, tensor.type.kernel)
        unsafe tk_dequantise(target, tensor.type.kernel, &scratch.after, count)
        unsafe tk_merge_measure(scratch.before, scratch.after, scratch.delta, count, &sums)
      case (true, false):
        sums.infinite += unsafe tk_quantise(scratch.values, count, target, tensor.type.kernel)
        guard measuresRounding else { break }
        // From nothing to what the blocks hold: the error is that of rounding.
        unsafe tk_dequantise(target, tensor.type.kernel, &scratch.after, count)
        unsafe tk_merge_measure(scratch.before, scratch.after, scratch.values, count, &sums)
      }
    }
  }

  private func rounding(_ name: String) -> tk_rounding {
    guard case .stochastic(let seed) = settings.rounding else { return tk_rounding() }
    let stream = Digest.sha256(Array(name.utf8)).prefix(8).reversed().reduce(UInt64(0)) {
      $0 << 8 | UInt64($1)
    }
    return tk_rounding(stochastic: true, seed: seed, stream: stream)
  }

  private func measures(
    _ sums: [(piece: Int, tensor: Int, sums: tk_merge_sums)]
  ) throws(MergeError) -> [ModuleMeasure] {
    var measures: [ModuleMeasure] = []
    var infinite: [Int: Int] = [:]
    for (_, index, sums) in sums {
      if sums.infinite > 0 { infinite[index, default: 0] += Int(sums.infinite) }
      let tensor = file.tensors[index]
      guard let module = tensor.sum?.module ?? (sums.count > 0 ? tensor.source.name : nil) else { continue }
      if measures.last?.name != module { measures.append(ModuleMeasure(name: module)) }
      measures[measures.count - 1].add(sums)
    }
    if let first = infinite.keys.min() {
      let tensor = file.tensors[first]
      throw .notFinite(
        tensor: tensor.source.name, count: infinite[first] ?? 0, type: tensor.type.rawValue)
    }
    return measures
  }
}
