/// The tokens that penalties are about, each once, with how often it was drawn.
@safe final class PenaltyTable {
  private var places: [Int: Int] = [:]
  private var capacity = 0
  private(set) var count = 0
  private(set) var ids: UnsafeMutablePointer<UInt32>?
  private(set) var drawn: UnsafeMutablePointer<UInt32>?

  init(prompt: [Int], _ parameters: SamplingParameters) {
    // Only the repetition penalty is about the prompt.
    guard parameters.repetitionPenalty != 1 else { return }
    for id in prompt where places[id] == nil { insert(id) }
  }

  deinit {
    unsafe ids?.deallocate()
    unsafe drawn?.deallocate()
  }

  /// Counts a token that was drawn.
  func add(_ id: Int) {
    let place = places[id] ?? insert(id)
    unsafe drawn?[place] += 1
  }

  @discardableResult private func insert(_ id: Int) -> Int {
    if count == capacity {
      let larger = max(2 * capacity, 64)
      unsafe ids = Self.grown(ids, count, larger)
      unsafe drawn = Self.grown(drawn, count, larger)
      capacity = larger
    }
    unsafe ids?[count] = UInt32(truncatingIfNeeded: id)
    unsafe drawn?[count] = 0
    places[id] = count
    count += 1
    return count - 1
  }

  private static func grown(
    _ old: UnsafeMutablePointer<UInt32>?, _ count: Int, _ capacity: Int
  ) -> UnsafeMutablePointer<UInt32> {
    let new = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
    if let old = unsafe old {
      unsafe new.update(from: old, count: count)
      unsafe old.deallocate()
    }
    return unsafe new
  }
}
