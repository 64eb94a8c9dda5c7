import CKernels
import ModelFiles

/// The element type in which keys and values are kept.
public enum CacheType: String, Sendable, CaseIterable {
  /// float32: for comparing with float32 references.
  case f32
  /// float16, the default.
  case f16
  /// bfloat16.
  case bf16

  var kernelType: tk_type {
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
struct CacheLayout: Sendable {
  static let pageTokens = 32

  let type: CacheType
  let width: Int  // keyValueHeads * headDim
  let layerCount: Int

  init(_ config: Qwen2Config, type: CacheType) {
    self.type = type
    width = config.keyValueHeadCount * config.headDim
    layerCount = config.layerCount
  }

  var tokenBytes: Int { width * type.byteSize }
  var planeBytes: Int { Self.pageTokens * tokenBytes }
  var pageBytes: Int { 2 * layerCount * planeBytes }
  func keyOffset(layer: Int) -> Int { 2 * layer * planeBytes }
  func valueOffset(layer: Int) -> Int { (2 * layer + 1) * planeBytes }
}

/// The keys and values of one sequence, in pages that are added as it grows.
@safe final class SequenceCache {
  let layout: CacheLayout
  private(set) var count = 0  // tokens held
  private var pageCount = 0
  private var pageCapacity = 0
  private var pages: UnsafeMutablePointer<UnsafePointer<UInt8>>?

  init(_ layout: CacheLayout) { self.layout = layout }

  deinit {
    for index in 0..<pageCount { if let pages = unsafe pages { unsafe pages[index].deallocate() } }
    unsafe pages?.deallocate()
  }

  /// The pages' addresses for the attention kernel; valid until the next `reserve`.
  @unsafe var pageTable: UnsafePointer<UnsafePointer<UInt8>> {
    guard let pages = unsafe pages else { preconditionFailure("an empty sequence has no pages") }
    return unsafe UnsafePointer(pages)
  }

  /// Makes room for `tokens` tokens in all.
  func reserve(tokens: Int) {
    let needed = (tokens + CacheLayout.pageTokens - 1) / CacheLayout.pageTokens
    if needed > pageCapacity {
      let capacity = max(needed, 2 * pageCapacity, 16)
      let grown = UnsafeMutablePointer<UnsafePointer<UInt8>>.allocate(capacity: capacity)
      if let pages = unsafe pages {
        unsafe grown.update(from: pages, count: pageCount)
        unsafe pages.deallocate()
      }
      unsafe pages = grown
      pageCapacity = capacity
    }
    guard let pages = unsafe pages else { return }
    while pageCount < needed {
      let page = UnsafeMutablePointer<UInt8>.allocate(capacity: layout.pageBytes)
      unsafe pages[pageCount] = UnsafePointer(page)
      pageCount += 1
    }
  }

  /// Rounds `tokens` rows of keys and values to the cache's type and stores them from position `start`.
  @unsafe func store(
    layer: Int, start: Int, tokens: Int, keys: UnsafePointer<Float>, values: UnsafePointer<Float>
  ) {
    guard let pages = unsafe pages else { preconditionFailure("reserve comes before store") }
    var done = 0
    while done < tokens {
      let position = start + done
      let slot = position % CacheLayout.pageTokens
      let run = min(tokens - done, CacheLayout.pageTokens - slot)
      let page = unsafe UnsafeMutableRawPointer(mutating: pages[position / CacheLayout.pageTokens])
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
  func advance(by tokens: Int) { count += tokens }
}
