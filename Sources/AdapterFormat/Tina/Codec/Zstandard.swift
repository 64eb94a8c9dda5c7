import CZstd

/// Zstandard as the format uses it: one frame with its content size and a small window, no dictionary, no checksum.
enum Zstandard {
  /// The largest window that a frame may ask for.
  static let maximumWindow = 1 << 20
  /// One block of 4 bytes can stand for 128 KiB: no valid frame expands further.
  static let maximumExpansion = 32768

  /// The compressor's effort.
  enum Effort: Sendable {
    /// Huffman coding without search for repetitions: right for noise such as exponents and quantised factors.
    case entropy
    /// Search for repetitions too: for text and tables.
    case search
  }

  /// What breaks the format's rules in a frame, as far as its header shows, or nil.
  static func fault(in frame: UnsafeRawBufferPointer, decodedByteCount: Int) -> String? {
    func byte(_ i: Int) -> UInt64? { unsafe i < frame.count ? UInt64(frame[i]) : nil }
    func integer(_ start: Int, _ size: Int) -> UInt64? {
      guard start + size <= frame.count else { return nil }
      return (0..<size).reduce(0) { unsafe $0 | UInt64(frame[start + $1]) << (8 * UInt64($1)) }
    }
    guard integer(0, 4) == 0xfd2f_b528, let descriptor = byte(4) else { return "no frame of Zstandard" }
    if descriptor & 0x08 != 0 { return "a reserved bit of the frame's header" }
    if descriptor & 0x04 != 0 { return "a content checksum in the frame" }
    if descriptor & 0x03 != 0 { return "a dictionary in the frame's header" }
    let isSingle = descriptor & 0x20 != 0
    let sizeFlag = Int(descriptor >> 6)
    var position = 5
    var window = 0
    if !isSingle {
      guard let code = byte(position) else { return "a frame cut off" }
      let exponent = Int(code >> 3)
      guard exponent <= 20 else { return "a window above \(maximumWindow) bytes" }
      window = (1 << (10 + exponent)) + ((1 << (10 + exponent)) / 8) * Int(code & 7)
      position += 1
    }
    if !isSingle && sizeFlag == 0 { return "no content size in the frame" }
    let size = sizeFlag == 0 ? 1 : 1 << sizeFlag
    guard var content = integer(position, size) else { return "a frame cut off" }
    if size == 2 { content += 256 }
    guard content == UInt64(decodedByteCount) else {
      return "a content size of \(content) bytes in the frame"
    }
    if isSingle { window = decodedByteCount }
    guard window <= maximumWindow else { return "a window of \(window) bytes" }
    let extent = unsafe ZSTD_findFrameCompressedSize(frame.baseAddress, frame.count)
    guard ZSTD_isError(extent) == 0 else { return "a damaged frame" }
    guard extent == frame.count else { return "\(frame.count - extent) bytes after the frame" }
    return nil
  }

  /// Decompresses frames; one for each thread.
  @safe struct Decoder: ~Copyable {
    private let context: OpaquePointer?

    init() { unsafe context = ZSTD_createDCtx() }
    deinit { unsafe _ = ZSTD_freeDCtx(context) }

    /// Decompresses a whole frame into a buffer of exactly its size; returns the fault, or nil.
    func decode(_ frame: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) -> String? {
      if let fault = unsafe Zstandard.fault(in: frame, decodedByteCount: out.count) { return fault }
      let count = unsafe ZSTD_decompressDCtx(
        context, out.baseAddress, out.count, frame.baseAddress, frame.count)
      guard ZSTD_isError(count) == 0, count == out.count else { return "a frame that does not decode" }
      return nil
    }
  }

  /// Compresses streams; one for each thread.
  @safe struct Encoder: ~Copyable {
    private let context: OpaquePointer?

    init() { unsafe context = ZSTD_createCCtx() }
    deinit { unsafe _ = ZSTD_freeCCtx(context) }

    /// A frame of the bytes, or nil if it would not be smaller.
    ///
    /// - Parameters:
    ///   - bytes: what to compress.
    ///   - cuts: offsets where the statistics change, and the compressor begins a new block.
    func encode(_ bytes: UnsafeRawBufferPointer, _ effort: Effort, cuts: [Int] = []) -> [UInt8]? {
      unsafe _ = ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters)
      func set(_ parameter: ZSTD_cParameter, _ value: Int32) {
        let code = unsafe ZSTD_CCtx_setParameter(context, parameter, value)
        precondition(ZSTD_isError(code) == 0, "Zstandard refuses a parameter")
      }
      set(ZSTD_c_contentSizeFlag, 1)
      set(ZSTD_c_checksumFlag, 0)
      switch effort {
      case .entropy:
        set(ZSTD_c_compressionLevel, 1)
        set(ZSTD_c_windowLog, 17)
        set(ZSTD_c_hashLog, 6)
        set(ZSTD_c_minMatch, 7)
        set(ZSTD_c_strategy, Int32(ZSTD_fast.rawValue))
      case .search:
        set(ZSTD_c_compressionLevel, 19)
        set(ZSTD_c_windowLog, 20)
      }
      unsafe _ = ZSTD_CCtx_setPledgedSrcSize(context, UInt64(bytes.count))
      let capacity = ZSTD_compressBound(bytes.count) + 16 * (cuts.count + 1)
      let frame = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
        var output = unsafe ZSTD_outBuffer(dst: buffer.baseAddress, size: capacity, pos: 0)
        var input = unsafe ZSTD_inBuffer(src: bytes.baseAddress, size: 0, pos: 0)
        for cut in cuts {
          guard unsafe cut > input.size, cut < bytes.count else { continue }
          unsafe input.size = cut
          while unsafe ZSTD_compressStream2(context, &output, &input, ZSTD_e_flush) != 0 {}
        }
        unsafe input.size = bytes.count
        var left = 1
        while left != 0 {
          left = unsafe ZSTD_compressStream2(context, &output, &input, ZSTD_e_end)
          precondition(ZSTD_isError(left) == 0, "Zstandard failed to compress")
        }
        unsafe count = output.pos
      }
      return frame.count < bytes.count ? frame : nil
    }
  }
}
