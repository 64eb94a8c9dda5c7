/// What decides keys and values besides the tokens: the adapter's content, the factor on it, and what activations are
/// rounded to.
struct PrefixKey: Hashable {
  /// Zero for the base alone.
  let content: UInt64
  let scale: Float
  let activations: ActivationType

  init(_ adapter: AttachedAdapter?, _ activations: ActivationType) {
    self.activations = activations
    content = adapter?.identity.current ?? 0
    // -0 and 0 are equal as keys, and in effect.
    scale = adapter?.scale ?? 1
  }
}

/// One page of a prefix that was computed, below the page before it.
final class PrefixNode {
  let tokens: [Int32]
  let page: Int
  fileprivate(set) weak var parent: PrefixNode?
  fileprivate var children: [[Int32]: PrefixNode] = [:]
  fileprivate var lastUse: UInt64 = 0

  fileprivate init(tokens: [Int32], page: Int, parent: PrefixNode?) {
    self.tokens = tokens
    self.page = page
    self.parent = parent
  }
}

/// Full pages of prompts and answers. A page is found by its tokens, or the first of them, and all tokens before it,
/// under the same adapter and scale. The tokens themselves are compared, not a digest.
///
/// The cache is one holder of each page. It can evict pages without another holder, least recently used first.
final class PrefixCache {
  private let pool: PagePool
  private var roots: [PrefixKey: PrefixNode] = [:]
  private var clock: UInt64 = 0

  init(_ pool: PagePool) { self.pool = pool }

  deinit {
    // One by one, because a long chain of nodes would free itself recursively.
    var all = Array(roots.values)
    while let node = all.popLast() {
      if node.page >= 0 { pool.release(node.page) }
      all += node.children.values
      node.children = [:]
    }
  }

  /// Number of pages in the cache.
  private(set) var pageCount = 0
  /// Number of pages evicted so far.
  private(set) var evictions = 0

  /// The page with these tokens after `node`, or after the empty prefix if nil.
  func child(of node: PrefixNode?, _ tokens: [Int32], key: PrefixKey) -> PrefixNode? {
    guard let child = (node ?? roots[key])?.children[tokens] else { return nil }
    touch(child)
    return child
  }

  /// Among the pages after `node`, or after the empty prefix if nil, the one that begins with most of `tokens`, and how
  /// many those are; nil when no page begins with the first. Where very many pages follow, it does not search: that is
  /// no conversation, and the search would cost more than it finds.
  func beginning(
    of tokens: ArraySlice<Int>, below node: PrefixNode?, key: PrefixKey
  ) -> (page: Int, count: Int)? {
    guard let parent = node ?? roots[key], parent.children.count <= 256 else { return nil }
    var best: (node: PrefixNode, count: Int)?
    for child in parent.children.values {
      var count = 0
      for (a, b) in zip(tokens, child.tokens) {
        guard Int32(truncatingIfNeeded: a) == b else { break }
        count += 1
      }
      // Of equals the one used last: a dictionary's order would decide anew each time what is evicted later.
      guard count > 0, (count, child.lastUse) > (best?.count ?? 0, best?.node.lastUse ?? 0) else { continue }
      best = (child, count)
    }
    guard let (node, count) = best else { return nil }
    touch(node)
    return (node.page, count)
  }

  /// Adds a full page after `node`, or after the empty prefix if nil. Returns the page that is there already if it has
  /// these tokens.
  func insert(below node: PrefixNode?, _ tokens: [Int32], page: Int, key: PrefixKey) -> PrefixNode {
    if let known = child(of: node, tokens, key: key) { return known }
    let parent = node ?? roots[key] ?? PrefixNode(tokens: [], page: -1, parent: nil)
    if node == nil { roots[key] = parent }
    let new = PrefixNode(tokens: tokens, page: page, parent: parent)
    pool.retain(page)
    pageCount += 1
    touch(new)
    parent.children[tokens] = new
    return new
  }

  private func touch(_ node: PrefixNode) {
    clock += 1
    node.lastUse = clock
  }

  /// Evicts up to `count` pages that only the cache holds, or some more, so that one search serves several calls.
  /// Returns whether it evicted any.
  func evict(_ count: Int) -> Bool {
    let target = pageCount - max(count, min(pageCount / 16, 64))
    var freed = false
    while pageCount > max(target, 0) {
      var leaves: [(node: PrefixNode, key: PrefixKey)] = []
      for (key, root) in roots { collectLeaves(root, key, &leaves) }
      if leaves.isEmpty { break }
      leaves.sort { $0.node.lastUse < $1.node.lastUse }
      for (node, key) in leaves.prefix(pageCount - max(target, 0)) {
        remove(node, key)
        freed = true
      }
    }
    return freed
  }

  /// Removes all pages under `key`, which no sequence may be using.
  func drop(_ key: PrefixKey) {
    guard let root = roots.removeValue(forKey: key) else { return }
    var all = Array(root.children.values)
    while let node = all.popLast() {
      pool.release(node.page)
      pageCount -= 1
      all += node.children.values
      node.children = [:]
    }
  }

  private func collectLeaves(
    _ start: PrefixNode, _ key: PrefixKey, _ leaves: inout [(node: PrefixNode, key: PrefixKey)]
  ) {
    var stack = [start]
    while let node = stack.popLast() {
      if node.children.isEmpty, node.page >= 0, pool.holderCount(node.page) == 1 {
        leaves.append((node, key))
      }
      stack += node.children.values
    }
  }

  private func remove(_ node: PrefixNode, _ key: PrefixKey) {
    pool.release(node.page)
    pageCount -= 1
    evictions += 1
    guard let parent = node.parent else { return }
    parent.children[node.tokens] = nil
    if parent.page < 0, parent.children.isEmpty { roots[key] = nil }
  }
}
