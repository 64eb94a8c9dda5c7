import Foundation

/// Pages of keys and values with counts of holders. A page without a holder is handed out again.
///
/// Freed pages stay allocated, because the first touch of new memory is slow. One thread at a time uses a pool.
@safe package final class PagePool {
  package let layout: CacheLayout
  /// The most pages that may be handed out at once.
  let limit: Int

  private var slabs: [UnsafeMutableRawPointer] = unsafe []
  private var addresses: [UnsafeMutableRawPointer] = unsafe []  // by page
  private var holders: [Int32] = []  // by page
  private var free: [Int] = []

  package init(_ layout: CacheLayout, limit: Int = .max) {
    self.layout = layout
    self.limit = limit
  }

  deinit { for i in unsafe slabs.indices { unsafe Foundation.free(slabs[i]) } }

  /// Pages with a holder.
  private(set) var used = 0
  /// Pages that it can still hand out.
  var available: Int { limit - used }
  /// Bytes taken from the system.
  var allocatedBytes: Int { holders.count * layout.pageBytes }

  /// A page with one holder; nil when the limit is reached.
  func take() -> Int? {
    guard used < limit else { return nil }
    if free.isEmpty { addSlab() }
    let page = free.removeLast()
    holders[page] = 1
    used += 1
    return page
  }

  /// Adds a holder.
  func retain(_ page: Int) { holders[page] += 1 }

  /// Removes a holder; the last one's page can be taken again.
  func release(_ page: Int) {
    holders[page] -= 1
    guard holders[page] == 0 else { return }
    used -= 1
    free.append(page)
  }

  func holderCount(_ page: Int) -> Int { Int(holders[page]) }

  @unsafe func address(_ page: Int) -> UnsafeMutableRawPointer { unsafe addresses[page] }

  /// Doubles the number of pages, by at most some megabytes, in slabs that suit the system's large pages.
  private func addSlab() {
    let most = max(1, (8 << 20) / layout.pageBytes)
    let count = max(1, min(holders.count, most, limit - holders.count))
    let alignment = count * layout.pageBytes >= 2 << 20 ? 2 << 20 : 64
    var slab: UnsafeMutableRawPointer?
    // Out of memory within the budget: no way to continue.
    guard unsafe posix_memalign(&slab, alignment, count * layout.pageBytes) == 0, let slab = unsafe slab
    else { fatalError("out of memory: \(count * layout.pageBytes) bytes for keys and values") }
    #if os(Linux)
      unsafe _ = madvise(slab, count * layout.pageBytes, Int32(MADV_HUGEPAGE))
    #endif
    unsafe slabs.append(slab)
    for i in 0..<count {
      unsafe addresses.append(slab + i * layout.pageBytes)
      holders.append(0)
      free.append(holders.count - 1)
    }
  }
}
