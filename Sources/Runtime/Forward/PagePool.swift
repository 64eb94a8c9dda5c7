import Foundation

/// Pages of keys and values: counted, handed out again when nobody holds them, at most `limit` of them.
///
/// Freed pages are kept, because the system's first touch of new memory is slow. One thread at a time.
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

  /// Pages that somebody holds.
  private(set) var used = 0
  /// Pages that can still be handed out.
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

  /// As many pages again as there are, up to some megabytes at once, so that large pages of the system can
  /// serve.
  private func addSlab() {
    let most = max(1, (8 << 20) / layout.pageBytes)
    let count = max(1, min(holders.count, most, limit - holders.count))
    let alignment = count * layout.pageBytes >= 2 << 20 ? 2 << 20 : 64
    var slab: UnsafeMutableRawPointer?
    // Out of memory within the budget: nothing sensible can follow.
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
