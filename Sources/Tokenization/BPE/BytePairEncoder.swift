/// Byte-pair merging over token ids.
struct BytePairEncoder: Sendable {
  // Open addressing: a pair of tokens, its rank, and the token that it becomes.
  private var keys: [UInt64]
  private var values: [UInt64]  // rank << 32 | token
  private let mask: Int
  private static let empty = UInt64.max

  init(mergeCount: Int) {
    var size = 64
    while size < 2 * mergeCount + 2 { size *= 2 }
    keys = Array(repeating: Self.empty, count: size)
    values = Array(repeating: 0, count: size)
    mask = size - 1
  }

  /// The later of two merges of one pair counts, as in the reference implementation.
  mutating func add(_ left: Int, _ right: Int, rank: Int, token: Int) {
    let key = UInt64(UInt32(left)) << 32 | UInt64(UInt32(right))
    let slot = find(key)
    keys[slot] = key
    values[slot] = UInt64(rank) << 32 | UInt64(token)
  }

  /// Two tokens that become one.
  struct Merge: Hashable {
    let left: Int
    let right: Int
    let token: Int
  }

  /// Every merge, the first in rank first.
  var merges: [Merge] {
    keys.indices.filter { keys[$0] != Self.empty }.sorted { values[$0] < values[$1] }.map {
      Merge(
        left: Int(keys[$0] >> 32), right: Int(UInt32(truncatingIfNeeded: keys[$0])),
        token: Int(UInt32(truncatingIfNeeded: values[$0])))
    }
  }

  @inline(__always)
  private func find(_ key: UInt64) -> Int {
    var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 20) & mask
    while keys[slot] != key, keys[slot] != Self.empty { slot = (slot + 1) & mask }
    return slot
  }

  /// rank << 32 | token of a pair, or the largest value when the pair does not merge.
  @inline(__always)
  private func merge(_ left: Int32, _ right: Int32) -> UInt64 {
    let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    let slot = find(key)
    return keys[slot] == key ? values[slot] : .max
  }

  /// Appends what the first tokens of a word merge to; false, and too many tokens, once `isCancelled` says so.
  func encode(_ word: [Int32], into result: inout [Int], _ isCancelled: () -> Bool) -> Bool {
    if word.count <= 1 {
      if let only = word.first { result.append(Int(only)) }
    } else if word.count <= 48 {
      encodeShort(word, into: &result)
    } else {
      return encodeLong(word, into: &result, isCancelled)
    }
    return true
  }

  /// Searches the lowest rank again after each merge: the fastest way for ordinary words.
  private func encodeShort(_ word: [Int32], into result: inout [Int]) {
    unsafe withUnsafeTemporaryAllocation(of: (token: Int32, merge: UInt64).self, capacity: word.count) {
      symbols in
      var count = 0
      for token in word {
        unsafe symbols[count] = (token, .max)
        count += 1
      }
      for i in 0..<count - 1 { unsafe symbols[i].merge = merge(symbols[i].token, symbols[i + 1].token) }
      while count > 1 {
        var best = 0
        for i in 1..<count - 1 where unsafe symbols[i].merge >> 32 < symbols[best].merge >> 32 { best = i }
        let found = unsafe symbols[best].merge
        if found == .max { break }
        unsafe symbols[best].token = Int32(truncatingIfNeeded: found & 0xFFFF_FFFF)
        count -= 1
        var i = best + 1
        while i < count {
          unsafe symbols[i] = symbols[i + 1]
          i += 1
        }
        unsafe symbols[best].merge =
          best + 1 < count ? merge(symbols[best].token, symbols[best + 1].token) : .max
        if best > 0 { unsafe symbols[best - 1].merge = merge(symbols[best - 1].token, symbols[best].token) }
      }
      for i in 0..<count { unsafe result.append(Int(symbols[i].token)) }
    }
  }

  /// Uses a linked list and a heap of candidate merges: n log n for any text.
  private func encodeLong(_ word: [Int32], into result: inout [Int], _ isCancelled: () -> Bool) -> Bool {
    var tokens = word
    let count = tokens.count
    var next = (0..<count).map { Int32($0 + 1) }
    var previous = (0..<count).map { Int32($0 - 1) }
    var heap = MergeHeap()
    heap.reserve(count)
    for i in 0..<count - 1 {
      let found = merge(tokens[i], tokens[i + 1])
      if found != .max { heap.push(.init(rank: UInt32(found >> 32), position: UInt32(i))) }
    }
    var steps = 0
    while let top = heap.pop() {
      steps += 1
      if steps % 65536 == 0, isCancelled() { return false }
      let left = Int(top.position)
      guard tokens[left] >= 0 else { continue }
      let right = Int(next[left])
      guard right < count else { continue }
      let found = merge(tokens[left], tokens[right])
      // An entry is stale once its pair has changed; the new pair has an entry of its own.
      guard found != .max, UInt32(found >> 32) == top.rank else { continue }
      tokens[left] = Int32(truncatingIfNeeded: found & 0xFFFF_FFFF)
      tokens[right] = -1
      next[left] = next[right]
      if Int(next[left]) < count { previous[Int(next[left])] = Int32(left) }
      for start in [Int(previous[left]), left] where start >= 0 && Int(next[start]) < count {
        let candidate = merge(tokens[start], tokens[Int(next[start])])
        if candidate != .max {
          heap.push(.init(rank: UInt32(candidate >> 32), position: UInt32(start)))
        }
      }
    }
    var i = 0
    while i < count {
      result.append(Int(tokens[i]))
      i = Int(next[i])
    }
    return true
  }
}

/// A binary heap of merges: lowest rank first, then leftmost.
private struct MergeHeap {
  struct Entry {
    let rank: UInt32
    let position: UInt32
    var order: UInt64 { UInt64(rank) << 32 | UInt64(position) }
  }
  private var entries: [Entry] = []

  mutating func reserve(_ count: Int) { entries.reserveCapacity(count) }

  mutating func push(_ entry: Entry) {
    entries.append(entry)
    var child = entries.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if entries[parent].order <= entries[child].order { break }
      entries.swapAt(parent, child)
      child = parent
    }
  }

  mutating func pop() -> Entry? {
    guard let top = entries.first else { return nil }
    let last = entries.removeLast()
    if entries.isEmpty { return top }
    entries[0] = last
    var parent = 0
    while true {
      var smallest = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < entries.count && entries[child].order < entries[smallest].order { smallest = child }
      if smallest == parent { return top }
      entries.swapAt(parent, smallest)
      parent = smallest
    }
  }
}
