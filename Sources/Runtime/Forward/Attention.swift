import CKernels
import ModelFiles

/// Attention of rows over the keys and values that their sequences keep, in one parallel region.
@safe package final class Attention {
  private let config: Architecture
  private let pool: WorkPool
  private var rows: [tk_attention_row] = unsafe []
  private var maxKeys = 0

  init(_ config: Architecture, _ pool: WorkPool) {
    self.config = config
    self.pool = pool
  }

  /// Stores keys and values of `range`'s rows behind what `cache` holds, which must have room for them and live until
  /// ``run(layer:layout:)``. Each of these rows attends to all tokens up to itself.
  @unsafe package func add(_ range: Range<Int>, to cache: SequenceCache, layer: Int, _ arrays: BlockArrays) {
    if range.isEmpty { return }
    let first = range.lowerBound
    unsafe cache.store(
      layer: layer, start: cache.count, tokens: range.count,
      keys: arrays.keys.start + first * config.keyWidth,
      values: arrays.values.start + first * config.keyWidth)
    let pages = unsafe cache.pageTable
    let window = config.window(layer: layer)
    let (queries, output) = unsafe (arrays.queries.start, arrays.attended.start)
    for row in range {
      let visible = cache.count + row - first + 1
      unsafe rows.append(
        tk_attention_row(
          query: queries + row * config.queryWidth, output: output + row * config.queryWidth, pages: pages,
          keys: visible, first: window.map { max(0, visible - $0) } ?? 0))
    }
    maxKeys = max(maxKeys, cache.count + range.count)
  }

  /// Attends for the rows that were added, whose caches share `layout`, and forgets them.
  package func run(layer: Int, layout: CacheLayout) {
    var shape = tk_attention_shape(
      heads: config.headCount, kv_heads: config.keyValueHeadCount, head_dim: config.headDim,
      page_tokens: CacheLayout.pageTokens, key_offset: layout.keyOffset(layer: layer),
      value_offset: layout.valueOffset(layer: layer), type: layout.type.kernelType,
      scale: config.queryScale)
    unsafe tk_attention(pool.threads, &shape, rows, rows.count, maxKeys)
    unsafe rows.removeAll(keepingCapacity: true)
    maxKeys = 0
  }
}
