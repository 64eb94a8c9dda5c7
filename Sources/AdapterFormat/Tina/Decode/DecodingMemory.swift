/// One worker's buffer and decompressor, reused from block to block.
@safe final class DecodingMemory {
  private var base: UnsafeMutableRawPointer?
  private var capacity = 0
  let decoder = Zstandard.Decoder()

  /// At least as many bytes, and 64 more behind them. The call overwrites what earlier calls returned.
  func bytes(_ count: Int) -> UnsafeMutableRawBufferPointer {
    if unsafe count > capacity || base == nil {
      unsafe base?.deallocate()
      capacity = count
      unsafe base = UnsafeMutableRawPointer.allocate(byteCount: count + 64, alignment: 64)
    }
    return unsafe UnsafeMutableRawBufferPointer(start: base, count: count)
  }

  deinit { unsafe base?.deallocate() }
}
