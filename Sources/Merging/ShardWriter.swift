import AdapterFormat
import CKernels
import Dispatch
import ModelFiles
import Synchronization

/// Computes and writes one file of the output, row block by row block, on several threads.
///
/// Memory is what the threads hold: a piece of the output each, the factors of one module, and the sums of a
/// few rows. What is written does not depend on the number of threads.
struct ShardWriter {
  let file: PlannedFile
  let settings: MergeSettings
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
    let pieces = pieces()
    let next = Atomic(0)
    let outcome = Mutex(Outcome())
    let flusher = DispatchQueue(label: "tina merge flush")
    DispatchQueue.concurrentPerform(iterations: min(settings.threads, max(pieces.count, 1))) { _ in
      var scratch = Scratch()
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < pieces.count, outcome.withLock({ $0.error == nil }) else { return }
        let piece = pieces[index]
        do throws(MergeError) {
          let sums = try write(piece, to: output, &scratch)
          let size = byteCount(piece)
          let mustFlush = outcome.withLock { state in
            if let sums { state.sums.append((index, piece.tensor, sums)) }
            state.written += size
            guard state.written - state.flushed >= Self.flushInterval else { return false }
            state.flushed = state.written
            return true
          }
          // Beside the computing: an error shows again when the whole file is flushed.
          if mustFlush { flusher.async { try? output.flush() } }
          onBytes(size)
        } catch {
          outcome.withLock { $0.error = $0.error ?? error }
        }
      }
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
      let (rows, columns) = Self.matrix(tensor.source)
      let rowBytes = max(1, columns * tensor.elementType.byteSize)
      let count = max(1, settings.pieceByteCount / rowBytes)
      for start in stride(from: 0, to: rows, by: count) {
        pieces.append(Piece(tensor: index, rows: start..<min(start + count, rows)))
      }
    }
    return pieces
  }

  private static func matrix(_ tensor: Tensor) -> (rows: Int, columns: Int) {
    let columns = tensor.shape.last ?? 1
    return (columns == 0 ? 0 : tensor.elementCount / columns, columns)
  }

  private func byteCount(_ piece: Piece) -> Int {
    let tensor = file.tensors[piece.tensor]
    return piece.rows.count * Self.matrix(tensor.source).columns * tensor.elementType.byteSize
  }

  /// Memory of one thread, used again for every piece.
  private struct Scratch {
    var output: [UInt8] = []
    var delta: [Float] = []
    var b: [Float] = []
    var packedA: [Float] = []
    var module: String?
  }

  /// Sums of the piece; nil where nothing was rounded.
  private func write(
    _ piece: Piece, to output: OutputFile, _ scratch: inout Scratch
  ) throws(MergeError) -> tk_merge_sums? {
    let tensor = file.tensors[piece.tensor]
    let columns = Self.matrix(tensor.source).columns
    let count = piece.rows.count * columns
    let size = count * tensor.elementType.byteSize
    let start = piece.rows.lowerBound * columns
    let offset = tensor.offset + start * tensor.elementType.byteSize
    if tensor.sum == nil, tensor.elementType == tensor.source.elementType {
      let first = start * tensor.elementType.byteSize
      try output.write(tensor.source.bytes.extracting(first..<first + size), at: offset)
      return nil
    }
    let source = unsafe tensor.source.baseAddress + start * tensor.source.elementType.byteSize
    if scratch.output.count < size { scratch.output = [UInt8](repeating: 0, count: size) }
    var sums = tk_merge_sums()
    if let sum = tensor.sum {
      unsafe merge(tensor, sum, piece.rows, source, &scratch, &sums)
    } else {
      sums.infinite = unsafe scratch.output.withUnsafeMutableBytes { target in
        unsafe tk_convert(
          source, kernelType(tensor.source), count, target.baseAddress!, kernelType(tensor.elementType))
      }
    }
    try unsafe output.write(scratch.output.span.bytes.extracting(0..<size), at: offset)
    return sums
  }

  /// Merges the rows of a piece into the scratch output, some rows at a time so that their sums stay near.
  private func merge(
    _ tensor: PlannedTensor, _ sum: LowRankSum, _ rows: Range<Int>, _ source: UnsafeRawPointer,
    _ scratch: inout Scratch, _ sums: inout tk_merge_sums
  ) {
    let (rank, columns) = (sum.rank, sum.columns)
    if scratch.module != sum.module {
      scratch.packedA = sum.packedA()
      scratch.module = sum.module
    }
    let group = max(6, (1 << 16) / columns / 6 * 6)
    if scratch.delta.count < group * columns { scratch.delta = [Float](repeating: 0, count: group * columns) }
    if scratch.b.count < group * rank { scratch.b = [Float](repeating: 0, count: group * rank) }
    let rounding = rounding(tensor.source.name)
    let (size, outputSize) = (tensor.source.elementType.byteSize, tensor.elementType.byteSize)
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: group) {
      let end = min(start + group, rows.upperBound)
      sum.scaledB(start..<end, into: &scratch.b)
      let done = (start - rows.lowerBound) * columns
      unsafe scratch.delta.withUnsafeMutableBufferPointer { delta in
        unsafe tk_merge_delta(
          scratch.b, scratch.packedA, end - start, rank, columns, delta.baseAddress!)
        unsafe scratch.output.withUnsafeMutableBytes { target in
          unsafe tk_merge(
            source + done * size, kernelType(tensor.source), delta.baseAddress!, (end - start) * columns,
            target.baseAddress! + done * outputSize, kernelType(tensor.elementType), rounding,
            UInt64(start * columns), &sums)
        }
      }
    }
  }

  private func rounding(_ name: String) -> tk_rounding {
    guard case .stochastic(let seed) = settings.rounding else { return tk_rounding() }
    let stream = SHA256.hash(Array(name.utf8)).prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return tk_rounding(stochastic: true, seed: seed, stream: stream)
  }

  private func measures(
    _ sums: [(piece: Int, tensor: Int, sums: tk_merge_sums)]
  ) throws(MergeError) -> [ModuleMeasure] {
    var measures: [ModuleMeasure] = []
    var infinite: [Int: Int] = [:]
    for (_, index, sums) in sums {
      if sums.infinite > 0 { infinite[index, default: 0] += Int(sums.infinite) }
      guard let module = file.tensors[index].sum?.module else { continue }
      if measures.last?.name != module { measures.append(ModuleMeasure(name: module)) }
      measures[measures.count - 1].add(sums)
    }
    if let first = infinite.keys.min() {
      let tensor = file.tensors[first]
      throw .notFinite(
        tensor: tensor.source.name, count: infinite[first] ?? 0, type: tensor.elementType.rawValue)
    }
    return measures
  }
}
