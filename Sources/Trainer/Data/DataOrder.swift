import AdapterFormat

/// The order of an epoch.
enum DataOrder {
  /// Each epoch goes through all records in an order of its own, which depends on (seed, epoch) alone.
  static func order(_ count: Int, epoch: Int, seed: UInt64) -> [Int] {
    var order = Array(0..<count)
    for i in stride(from: order.count - 1, to: 0, by: -1) {
      let block = Philox.block(
        counter: (UInt32(truncatingIfNeeded: i), UInt32(truncatingIfNeeded: epoch), 0x5368_7566, 0),
        key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
      let word = UInt64(block.0) << 32 | UInt64(block.1)
      order.swapAt(i, Int(word.multipliedFullWidth(by: UInt64(i + 1)).high))
    }
    return order
  }
}
