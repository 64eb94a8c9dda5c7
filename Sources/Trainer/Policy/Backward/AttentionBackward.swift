import CKernels
import ModelFiles
import TinaRuntime

extension BlockPass {
  /// Gradients with respect to rotated queries, keys and values, from the one with respect to the attention's output.
  ///
  /// The work is cut by segment and query head; each piece writes its own columns. Query heads share keys and values,
  /// and completions share the prompt's: each writes its part of their gradients, and the parts are added in order.
  ///
  /// - Returns: the number of operations.
  @unsafe func attentionBackward(
    _ index: Int, _ record: LayerRecord, dOutput: UnsafePointer<Float>, dq: UnsafeMutablePointer<Float>,
    dk: UnsafeMutablePointer<Float>, dv: UnsafeMutablePointer<Float>
  ) -> Int {
    let n = batch.rowCount
    let prompt = batch.promptCount
    let completions = batch.segments.count - 1
    // Rows of the batch, then the prompt's rows once more for each completion, as wide as the queries.
    let width = queryWidth
    let partRows = n + completions * prompt
    let keyParts = unsafe workspace.keyParts.reserve(partRows * width)
    let valueParts = unsafe workspace.valueParts.reserve(partRows * width)
    pool.run(count: partRows * width, inPiecesOf: 1 << 16) { range in
      unsafe (keyParts + range.lowerBound).update(repeating: 0, count: range.count)
      unsafe (valueParts + range.lowerBound).update(repeating: 0, count: range.count)
    }

    let operands = unsafe AttentionOperands(
      q: record.arrays.queries.start, k: record.arrays.keys.start,
      v: record.arrays.values.start, output: record.arrays.attended.start, dOutput: dOutput,
      dq: dq,
      queryWidth: width, keyWidth: keyWidth, headDim: config.headDim, scale: config.queryScale,
      window: config.window(layer: index))
    let group = config.headCount / config.keyValueHeadCount
    // The longest pieces first, so that threads end at about the same time.
    let segments = batch.segments.indices.sorted { batch.segments[$0].count > batch.segments[$1].count }
    pool.run(segments.count * config.headCount) { chunk in
      let segment = segments[chunk / config.headCount]
      let head = chunk % config.headCount
      let rows = batch.segments[segment]
      let column = head * config.headDim
      var parts = unsafe [
        AttentionPart(
          first: rows.lowerBound, count: rows.count, dk: keyParts + rows.lowerBound * width + column,
          dv: valueParts + rows.lowerBound * width + column)
      ]
      if segment > 0 {
        let offset = (n + (segment - 1) * prompt) * width + column
        unsafe parts.insert(
          AttentionPart(first: 0, count: prompt, dk: keyParts + offset, dv: valueParts + offset), at: 0)
      }
      unsafe operands.backward(
        rows: rows, parts: parts, queryHead: head, keyHead: head / group, pieces: workspace.pieces)
    }
    pool.run(count: n, inPiecesOf: 32) { range in
      for row in range {
        unsafe gather(keyParts, row, group, into: dk)
        unsafe gather(valueParts, row, group, into: dv)
      }
    }
    return 10 * batch.attendedPairs * queryWidth
  }

  /// Adds up the parts of a row's keys or values over completions and query heads.
  @unsafe private func gather(
    _ parts: UnsafePointer<Float>, _ row: Int, _ group: Int, into target: UnsafeMutablePointer<Float>
  ) {
    let copies = row < batch.promptCount ? batch.segments.count - 1 : 0
    for head in 0..<config.keyValueHeadCount {
      let sum = unsafe target + row * keyWidth + head * config.headDim
      unsafe sum.update(repeating: 0, count: config.headDim)
      for copy in 0...copies {
        let source = copy == 0 ? row : batch.rowCount + (copy - 1) * batch.promptCount + row
        for member in 0..<group {
          unsafe tk_add(
            sum, parts + source * queryWidth + (head * group + member) * config.headDim, config.headDim)
        }
      }
    }
  }
}

/// A run of neighbouring keys: the prompt's, or a segment's own.
@safe private struct AttentionPart {
  let first: Int  // row of the batch
  let count: Int
  let dk: UnsafeMutablePointer<Float>  // at the head's first column
  let dv: UnsafeMutablePointer<Float>
}

@safe private struct AttentionOperands {
  let q: UnsafePointer<Float>
  let k: UnsafePointer<Float>
  let v: UnsafePointer<Float>
  let output: UnsafePointer<Float>
  let dOutput: UnsafePointer<Float>
  let dq: UnsafeMutablePointer<Float>
  let queryWidth: Int
  let keyWidth: Int
  let headDim: Int
  let scale: Float
  let window: Int?

  static let block = 96  // query rows at a time

  /// One query head over the rows of a segment. A row sees the earlier parts whole, and of the last one, the segment's
  /// own keys, those up to itself.
  @unsafe func backward(
    rows: Range<Int>, parts: [AttentionPart], queryHead: Int, keyHead: Int, pieces: FloatBufferPool
  ) {
    let prefix = parts.dropLast().reduce(0) { $0 + $1.count }
    unsafe pieces.use(2 * Self.block * (prefix + rows.count)) { p in
      for start in stride(from: 0, to: rows.count, by: Self.block) {
        let height = min(Self.block, rows.count - start)
        unsafe backward(
          rows.lowerBound + start, height, seen: prefix + start, parts, queryHead * headDim,
          keyHead * headDim,
          p)
      }
    }
  }

  /// `height` rows from `firstRow` on. The first sees `seen` keys and itself. `p` has room for two blocks.
  @unsafe private func backward(
    _ firstRow: Int, _ height: Int, seen: Int, _ parts: [AttentionPart], _ qColumn: Int, _ kColumn: Int,
    _ p: UnsafeMutablePointer<Float>
  ) {
    let width = seen + height
    let dS = unsafe p + height * width
    let qBlock = unsafe q + firstRow * queryWidth + qColumn
    let doBlock = unsafe dOutput + firstRow * queryWidth + qColumn
    let dqBlock = unsafe dq + firstRow * queryWidth + qColumn
    var column = 0
    for part in parts {
      let count = min(part.count, width - column)
      let kPart = unsafe k + part.first * keyWidth + kColumn
      let vPart = unsafe v + part.first * keyWidth + kColumn
      unsafe Product.secondTransposed(
        height, count, headDim, qBlock, queryWidth, kPart, keyWidth, p + column, width, scale: scale)
      unsafe Product.secondTransposed(
        height, count, headDim, doBlock, queryWidth, vPart, keyWidth, dS + column, width)
      column += count
    }
    for i in 0..<height {
      let visible = seen + i + 1
      let hidden = window.map { max(0, visible - $0) } ?? 0
      let (pRow, dRow) = unsafe (p + i * width, dS + i * width)
      // The mean of dP under p is equal to dO · O.
      let mean = unsafe tk_ordered_dot(
        output + (firstRow + i) * queryWidth + qColumn, doBlock + i * queryWidth, headDim)
      unsafe tk_softmax_backward(pRow + hidden, dRow + hidden, visible - hidden, mean, scale)
      for hiddenKeys in [0..<hidden, visible..<width] {
        unsafe (pRow + hiddenKeys.lowerBound).update(repeating: 0, count: hiddenKeys.count)
        unsafe (dRow + hiddenKeys.lowerBound).update(repeating: 0, count: hiddenKeys.count)
      }
    }
    column = 0
    for part in parts {
      let count = min(part.count, width - column)
      let kPart = unsafe k + part.first * keyWidth + kColumn
      unsafe Product.plain(
        height, headDim, count, dS + column, width, kPart, keyWidth, dqBlock, queryWidth, add: column > 0)
      unsafe Product.firstTransposed(
        count, headDim, height, dS + column, width, qBlock, queryWidth, part.dk, queryWidth, add: true)
      unsafe Product.firstTransposed(
        count, headDim, height, p + column, width, doBlock, queryWidth, part.dv, queryWidth, add: true)
      column += count
    }
  }
}
