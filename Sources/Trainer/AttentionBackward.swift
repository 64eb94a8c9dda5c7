import CKernels
import ModelFiles
import TinaRuntime

extension BlockPass {
  /// Gradients of queries, keys and values, all rotated, from that of the attention's output.
  ///
  /// The work is cut by segment and key-value head: each piece writes columns of its own. What completions send
  /// to the prompt's keys waits in a partial sum each and is added in their order.
  @unsafe func attentionBackward(
    _ index: Int, _ record: LayerRecord, dOutput: UnsafePointer<Float>, dq: UnsafeMutablePointer<Float>,
    dk: UnsafeMutablePointer<Float>, dv: UnsafeMutablePointer<Float>
  ) {
    let n = batch.rowCount
    let prompt = batch.promptCount
    let completions = batch.segments.count - 1
    unsafe dk.update(repeating: 0, count: n * keyWidth)
    unsafe dv.update(repeating: 0, count: n * keyWidth)
    let partial = prompt * keyWidth
    let prefixK = unsafe workspace.prefixKeys.reserve(completions * partial)
    let prefixV = unsafe workspace.prefixValues.reserve(completions * partial)
    unsafe prefixK.update(repeating: 0, count: completions * partial)
    unsafe prefixV.update(repeating: 0, count: completions * partial)

    let operands = unsafe AttentionOperands(
      q: record.queries.reserve(n * queryWidth), k: record.keys.reserve(n * keyWidth),
      v: record.values.reserve(n * keyWidth), output: record.attended.reserve(n * queryWidth),
      dOutput: dOutput,
      dq: dq, queryWidth: queryWidth, keyWidth: keyWidth, headDim: config.headDim,
      window: config.window(layer: index))
    let heads = config.keyValueHeadCount
    let group = config.headCount / heads
    pool.run(batch.segments.count * heads) { chunk in
      let segment = chunk / heads
      let head = chunk % heads
      let rows = batch.segments[segment]
      let column = head * config.headDim
      var parts = unsafe [
        AttentionPart(
          first: rows.lowerBound, count: rows.count, dk: dk + rows.lowerBound * keyWidth + column,
          dv: dv + rows.lowerBound * keyWidth + column)
      ]
      if segment > 0 {
        let offset = (segment - 1) * partial + column
        unsafe parts.insert(
          AttentionPart(first: 0, count: prompt, dk: prefixK + offset, dv: prefixV + offset), at: 0)
      }
      for member in 0..<group {
        unsafe operands.backward(
          rows: rows, parts: parts, queryHead: head * group + member, keyHead: head)
      }
    }
    pool.run(count: partial, inPiecesOf: 4096) { range in
      for completion in 0..<completions {
        let k = unsafe prefixK + completion * partial
        let v = unsafe prefixV + completion * partial
        for i in range {
          unsafe dk[i] += k[i]
          unsafe dv[i] += v[i]
        }
      }
    }
  }
}

/// Keys that lie one after another: the prompt's, or a segment's own.
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
  let window: Int?

  static let block = 64  // query rows at a time

  /// One query head over the rows of a segment. The last part holds the segment's own keys, of which a row sees
  /// those up to itself; parts before it are seen whole.
  @unsafe func backward(rows: Range<Int>, parts: [AttentionPart], queryHead: Int, keyHead: Int) {
    let prefix = parts.dropLast().reduce(0) { $0 + $1.count }
    let scale = 1 / Float(headDim).squareRoot()
    let qColumn = queryHead * headDim
    let kColumn = keyHead * headDim
    let capacity = 2 * Self.block * (prefix + rows.count)
    unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: max(capacity, 1)) { buffer in
      guard let p = buffer.baseAddress else { return }
      for start in stride(from: 0, to: rows.count, by: Self.block) {
        let height = min(Self.block, rows.count - start)
        let width = prefix + start + height
        let dS = unsafe p + height * width
        let firstRow = rows.lowerBound + start
        let qBlock = unsafe q + firstRow * queryWidth + qColumn
        let doBlock = unsafe dOutput + firstRow * queryWidth + qColumn
        let dqBlock = unsafe dq + firstRow * queryWidth + qColumn
        var column = 0
        for i in parts.indices {
          let part = parts[i]
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
          let visible = prefix + start + i + 1
          let hidden = window.map { max(0, visible - $0) } ?? 0
          unsafe softmaxBackward(
            p + i * width, dS + i * width, hidden: hidden, visible: visible, width: width,
            output: output + (firstRow + i) * queryWidth + qColumn, dOutput: doBlock + i * queryWidth,
            scale: scale)
        }
        column = 0
        for i in parts.indices {
          let part = parts[i]
          let count = min(part.count, width - column)
          let kPart = unsafe k + part.first * keyWidth + kColumn
          unsafe Product.plain(
            height, headDim, count, dS + column, width, kPart, keyWidth, dqBlock, queryWidth, add: column > 0)
          unsafe Product.firstTransposed(
            count, headDim, height, dS + column, width, qBlock, queryWidth, part.dk, keyWidth, add: true)
          unsafe Product.firstTransposed(
            count, headDim, height, p + column, width, doBlock, queryWidth, part.dv, keyWidth, add: true)
          column += count
        }
      }
    }
  }

  /// p: scores become probabilities. dS: gradients of the probabilities become those of q · k.
  @unsafe private func softmaxBackward(
    _ p: UnsafeMutablePointer<Float>, _ dS: UnsafeMutablePointer<Float>, hidden: Int, visible: Int,
    width: Int,
    output: UnsafePointer<Float>, dOutput: UnsafePointer<Float>, scale: Float
  ) {
    var peak = -Float.infinity
    for j in hidden..<visible { unsafe peak = max(peak, p[j]) }
    var sum: Float = 0
    for j in hidden..<visible {
      let e = unsafe tk_exp(p[j] - peak)
      unsafe p[j] = e
      sum += e
    }
    var mean: Float = 0  // of dP under p, which is dO · O
    for d in 0..<headDim { unsafe mean += output[d] * dOutput[d] }
    let inverse = 1 / sum
    for j in hidden..<visible {
      unsafe p[j] *= inverse
      unsafe dS[j] = p[j] * (dS[j] - mean) * scale
    }
    for j in 0..<hidden {
      unsafe p[j] = 0
      unsafe dS[j] = 0
    }
    for j in visible..<width {
      unsafe p[j] = 0
      unsafe dS[j] = 0
    }
  }
}
