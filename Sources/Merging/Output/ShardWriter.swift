import CKernels
import Dispatch
import ModelFiles
import Synchronization

/// Computes and writes one file of the output, piece by piece, on several threads.
///
/// Each thread holds three pieces of the output, of which one is made while the others are written, and the memory of
/// a ``RowMerger``. What is written does not depend on the number of threads.
struct ShardWriter {
  let file: PlannedFile
  let settings: MergeSettings
  let threads: Int
  /// Whether to measure what rounding to blocks costs tensors that no adapter changes.
  var measuresRounding = false
  /// Called from several threads with the number of bytes written since the last call.
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

  /// Bytes after which the system is told to bring them to the disk.
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
    DispatchQueue.concurrentPerform(iterations: min(threads, max(pieces.count, 1))) { _ in
      // The disk works on some pieces while the next is computed.
      let buffers = (0..<Self.bufferCount).map { _ in PieceBuffer() }
      let writing = buffers.map { _ in DispatchQueue(label: "tina merge write") }
      var merger = RowMerger(rounding: settings.rounding, measuresRounding: measuresRounding)
      var turn = 0
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < pieces.count, outcome.withLock({ $0.error == nil }) else { break }
        let piece = pieces[index]
        let (offset, size) = place(piece)
        let (buffer, writing) = (buffers[turn % buffers.count], writing[turn % buffers.count])
        turn += 1
        buffer.take(byteCount: size, for: offset)
        if let sums = unsafe merger.compute(file.tensors[piece.tensor], piece.rows, into: buffer.start) {
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
          // An error shows again when the whole file is flushed.
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
      // Quantised blocks take long to make: small pieces keep all threads busy to the end.
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
