package import CKernels
package import ModelFiles

/// The element type in which keys and values are kept.
public enum CacheType: String, Sendable, CaseIterable {
  /// float32: for comparing with float32 references.
  case f32
  /// float16, the default.
  case f16
  /// bfloat16.
  case bf16

  package var kernelType: tk_type {
    switch self {
    case .f32: TK_F32
    case .f16: TK_F16
    case .bf16: TK_BF16
    }
  }

  /// Bytes of one element.
  public var byteSize: Int { self == .f32 ? 4 : 2 }
}

/// How a page of the cache is laid out: for each layer its keys, then its values, each
/// `[pageTokens, keyValueHeads, headDim]`.
package struct CacheLayout: Sendable {
  static let pageTokens = 32

  package let type: CacheType
  let width: Int  // keyValueHeads * headDim
  /// Layers that a page has room for. When it is 1, each layer's keys and values take the place of the last one's.
  let layerCount: Int

  package init(_ config: Architecture, type: CacheType, layerCount: Int? = nil) {
    self.type = type
    width = config.keyWidth
    self.layerCount = layerCount ?? config.layerCount
  }

  /// Tokens that fit into some pages; a number to which 1 can be added.
  static func tokens(inPages count: Int) -> Int {
    let (tokens, overflow) = count.multipliedReportingOverflow(by: pageTokens)
    return overflow ? .max - 1 : tokens
  }

  var tokenBytes: Int { width * type.byteSize }
  var planeBytes: Int { Self.pageTokens * tokenBytes }
  var pageBytes: Int { 2 * layerCount * planeBytes }
  func keyOffset(layer: Int) -> Int { 2 * (layer % layerCount) * planeBytes }
  func valueOffset(layer: Int) -> Int { keyOffset(layer: layer) + planeBytes }
}

/// The keys and values of one sequence: a table of pages, some shared with other sequences.
///
/// Full pages never change, so sequences can share them. A partial page has one holder.
@safe package final class SequenceCache {
  let pool: PagePool
  var layout: CacheLayout { pool.layout }
  package private(set) var count = 0  // tokens held
  private(set) var pages: [Int] = []
  private var tableCapacity = 0
  private var table: UnsafeMutablePointer<UnsafePointer<UInt8>>?

  package init(_ pool: PagePool) { self.pool = pool }

  /// A cache with memory of its own, without limit.
  convenience init(_ layout: CacheLayout) { self.init(PagePool(layout)) }

  deinit {
    for page in pages { pool.release(page) }
    unsafe table?.deallocate()
  }

  /// Pages that `tokens` tokens need.
  static func pageCount(_ tokens: Int) -> Int {
    (tokens + CacheLayout.pageTokens - 1) / CacheLayout.pageTokens
  }

  /// The pages' addresses for the attention kernel; valid until the next page is added.
  @unsafe var pageTable: UnsafePointer<UnsafePointer<UInt8>> {
    guard let table = unsafe table else { preconditionFailure("an empty sequence has no pages") }
    return unsafe UnsafePointer(table)
  }

  /// Makes room for `tokens` tokens in all. When the pool has too few pages, it changes nothing and returns false.
  func tryReserve(tokens: Int) -> Bool {
    let missing = Self.pageCount(tokens) - pages.count
    guard missing <= pool.available else { return false }
    for _ in 0..<max(missing, 0) {
      guard let page = pool.take() else { return false }
      add(page)
    }
    return true
  }

  /// Makes room for `tokens` tokens in all. The pool must have enough pages.
  package func reserve(tokens: Int) {
    guard tryReserve(tokens: tokens) else { preconditionFailure("pages are reserved before a step") }
  }

  /// Takes a full page that holds the next tokens, in place of the one reserved for them.
  func adopt(_ page: Int) {
    let index = count / CacheLayout.pageTokens
    precondition(count % CacheLayout.pageTokens == 0, "only at the end of a page")
    if index < pages.count {
      replace(index, with: page)
    } else {
      pool.retain(page)
      add(page)
    }
    count += CacheLayout.pageTokens
  }

  /// Copies the first `tokens` tokens of another sequence's page into the page reserved for the next tokens.
  func copy(_ tokens: Int, from page: Int) {
    let own = pages[count / CacheLayout.pageTokens]
    precondition(count % CacheLayout.pageTokens == 0 && pool.holderCount(own) == 1, "into a page of its own")
    // The whole page: nothing reads what lies behind the tokens.
    unsafe pool.address(own).copyMemory(from: pool.address(page), byteCount: layout.pageBytes)
    count += tokens
  }

  /// Forgets what lies behind the first `tokens` tokens, and gives the pages back that are not needed for them. What
  /// is forgotten must not be known to others.
  func truncate(to tokens: Int) {
    count = min(count, tokens)
    while pages.count > Self.pageCount(count) { pool.release(pages.removeLast()) }
  }

  /// Replaces the page at `index` by `page`, which has the same contents or will be adopted.
  func replace(_ index: Int, with page: Int) {
    pool.retain(page)
    pool.release(pages[index])
    pages[index] = page
    unsafe table?[index] = UnsafePointer(pool.address(page).assumingMemoryBound(to: UInt8.self))
  }

  /// A cache with the first `tokens` tokens of this one: it shares full pages and copies the rest. Nil when the pool
  /// has no page for the copy.
  package func fork(tokens: Int) -> SequenceCache? {
    precondition(tokens <= count)
    let copy = SequenceCache(pool)
    let full = tokens / CacheLayout.pageTokens
    for index in 0..<full { copy.adopt(pages[index]) }
    if tokens % CacheLayout.pageTokens > 0 {
      guard let page = pool.take() else { return nil }
      copy.add(page)
      copy.copy(tokens % CacheLayout.pageTokens, from: pages[full])
    }
    return copy
  }

  /// Fills the cache with `tokens` tokens of zeros, for measurements.
  func clear(tokens: Int) {
    for page in pages {
      unsafe pool.address(page).initializeMemory(as: UInt8.self, repeating: 0, count: layout.pageBytes)
    }
    count = tokens
  }

  private func add(_ page: Int) {
    if pages.count == tableCapacity {
      let capacity = max(2 * tableCapacity, 16)
      let grown = UnsafeMutablePointer<UnsafePointer<UInt8>>.allocate(capacity: capacity)
      if let table = unsafe table {
        unsafe grown.update(from: table, count: pages.count)
        unsafe table.deallocate()
      }
      unsafe table = grown
      tableCapacity = capacity
    }
    unsafe table?[pages.count] = UnsafePointer(pool.address(page).assumingMemoryBound(to: UInt8.self))
    pages.append(page)
  }

  /// Rounds `tokens` rows of keys and values to the cache's type and stores them from position `start`.
  @unsafe func store(
    layer: Int, start: Int, tokens: Int, keys: UnsafePointer<Float>, values: UnsafePointer<Float>
  ) {
    guard let table = unsafe table else { preconditionFailure("reserve comes before store") }
    var done = 0
    while done < tokens {
      let position = start + done
      let slot = position % CacheLayout.pageTokens
      let run = min(tokens - done, CacheLayout.pageTokens - slot)
      let page = unsafe UnsafeMutableRawPointer(mutating: table[position / CacheLayout.pageTokens])
      let offset = slot * layout.tokenBytes
      let type = layout.type.kernelType
      unsafe tk_from_f32(
        keys + done * layout.width, page + layout.keyOffset(layer: layer) + offset, type, run * layout.width)
      unsafe tk_from_f32(
        values + done * layout.width, page + layout.valueOffset(layer: layer) + offset, type,
        run * layout.width)
      done += run
    }
  }

  /// Tokens whose keys and values are complete in every layer.
  package func advance(by tokens: Int) { count += tokens }
}
