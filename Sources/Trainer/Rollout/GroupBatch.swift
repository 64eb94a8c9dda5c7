import CKernels

/// One prompt and completions of it, laid out in rows: the prompt's tokens once, then each completion's tokens
/// but the last, whose successor nobody asks for.
///
/// A completion attends to the prompt's keys and to its own, so the prompt is computed once for the group.
struct GroupBatch {
  let prompt: [Int]
  let completions: [[Int]]
  /// First row and number of rows of each segment: the prompt, then the completions.
  let segments: [Range<Int>]
  let tokens: [Int]
  let positions: [UInt32]
  /// For each completion token in order: the row whose logits predict it, and the token.
  let targets: [(row: Int, token: Int)]
  /// Which of a pass's sequences a row belongs to, for dropout: 0 the prompt, 1 + index a completion.
  let sequences: [UInt32]

  /// - Parameter firstSequence: the index of the first completion within its group, for dropout.
  init(prompt: [Int], completions: [[Int]], firstSequence: Int = 0) {
    precondition(!prompt.isEmpty && completions.allSatisfy { !$0.isEmpty })
    self.prompt = prompt
    self.completions = completions
    var segments = [0..<prompt.count]
    var tokens = prompt
    var positions = prompt.indices.map { UInt32($0) }
    var sequences = [UInt32](repeating: 0, count: prompt.count)
    var targets: [(row: Int, token: Int)] = []
    for (index, completion) in completions.enumerated() {
      let first = tokens.count
      tokens += completion.dropLast()
      for offset in 0..<completion.count - 1 { positions.append(UInt32(prompt.count + offset)) }
      sequences += [UInt32](repeating: UInt32(1 + firstSequence + index), count: completion.count - 1)
      segments.append(first..<tokens.count)
      for (offset, token) in completion.enumerated() {
        targets.append((offset == 0 ? prompt.count - 1 : first + offset - 1, token))
      }
    }
    self.segments = segments
    self.tokens = tokens
    self.positions = positions
    self.sequences = sequences
    self.targets = targets
  }

  var rowCount: Int { tokens.count }
  var promptCount: Int { prompt.count }
  /// Pairs of a row and a key that it sees, without a window.
  var attendedPairs: Int { positions.reduce(0) { $0 + Int($1) + 1 } }
  /// Keys that the last row of the longest segment sees.
  var maxKeys: Int { promptCount + (segments.dropFirst().map(\.count).max() ?? 0) }
}

/// Keys and values of one layer of a batch, rounded to the cache's type, in the pages that the attention kernel
/// reads. Completions share the prompt's whole pages and own a copy of its last, unfinished one.
@safe final class KeyValuePages {
  static let pageTokens = 32
  private let type: tk_type
  private let width: Int  // keyValueHeads * headDim
  private let arena: UnsafeMutableRawPointer
  private let tables: [UnsafeMutablePointer<UnsafePointer<UInt8>>]
  private let batch: GroupBatch

  var valueOffset: Int { Self.pageTokens * width * elementSize }
  private var elementSize: Int { type == TK_F32 ? 4 : 2 }
  private var rowBytes: Int { width * elementSize }

  init(_ batch: GroupBatch, width: Int, type: tk_type) {
    self.batch = batch
    self.width = width
    self.type = type
    let page = Self.pageTokens
    let whole = batch.promptCount / page
    var pageCounts = [(batch.promptCount + page - 1) / page]
    for segment in batch.segments.dropFirst() {
      pageCounts.append((batch.promptCount + segment.count + page - 1) / page - whole)
    }
    let pageBytes = 2 * page * width * (type == TK_F32 ? 4 : 2)
    let total = pageCounts.reduce(0, +)
    unsafe arena = .allocate(byteCount: max(total * pageBytes, 64), alignment: 64)
    unsafe arena.initializeMemory(as: UInt8.self, repeating: 0, count: total * pageBytes)
    var tables: [UnsafeMutablePointer<UnsafePointer<UInt8>>] = unsafe []
    var next = unsafe arena
    for (index, own) in pageCounts.enumerated() {
      let shared = index == 0 ? 0 : whole
      let table = UnsafeMutablePointer<UnsafePointer<UInt8>>.allocate(capacity: max(shared + own, 1))
      for i in 0..<shared { unsafe table[i] = tables[0][i] }
      for i in 0..<own {
        unsafe table[shared + i] = UnsafePointer(next.assumingMemoryBound(to: UInt8.self))
        unsafe next += pageBytes
      }
      unsafe tables.append(table)
    }
    unsafe self.tables = tables
  }

  deinit {
    for i in unsafe tables.indices { unsafe tables[i].deallocate() }
    unsafe arena.deallocate()
  }

  @unsafe func table(_ segment: Int) -> UnsafePointer<UnsafePointer<UInt8>> {
    unsafe UnsafePointer(tables[segment])
  }

  /// Rounds and stores all rows, and leaves the rounded numbers in `keys` and `values`.
  @unsafe func store(keys: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>) {
    for (segment, rows) in batch.segments.enumerated() {
      if segment > 0 { unsafe copyUnfinishedPage(segment) }
      let start = segment == 0 ? 0 : batch.promptCount
      for (offset, row) in rows.enumerated() {
        unsafe round(keys + row * width, segment, start + offset, 0)
        unsafe round(values + row * width, segment, start + offset, valueOffset)
      }
    }
  }

  @unsafe private func round(
    _ x: UnsafeMutablePointer<Float>, _ segment: Int, _ position: Int, _ offset: Int
  ) {
    let page = unsafe UnsafeMutableRawPointer(mutating: tables[segment][position / Self.pageTokens])
    let slot = unsafe page + offset + position % Self.pageTokens * rowBytes
    unsafe tk_from_f32(x, slot, type, width)
    unsafe tk_to_f32(slot, type, x, width)
  }

  @unsafe private func copyUnfinishedPage(_ segment: Int) {
    let page = batch.promptCount / Self.pageTokens
    let slots = batch.promptCount % Self.pageTokens
    if slots == 0 { return }
    let target = unsafe UnsafeMutableRawPointer(mutating: tables[segment][page])
    for offset in [0, valueOffset] {
      unsafe (target + offset).copyMemory(from: tables[0][page] + offset, byteCount: slots * rowBytes)
    }
  }
}
