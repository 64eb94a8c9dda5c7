import CKernels

/// Dropout on an adapter's input, as in PEFT: each module drops other elements.
///
/// The mask depends on (seed, pass, layer, module, sequence, position, column) alone, so that the backward pass and a
/// resumed run draw it again.
struct Dropout {
  /// An element is dropped when its 16-bit number is below this.
  private let threshold: UInt32
  let seed: UInt64
  /// Number of the pass within the run; no two share a mask.
  let pass: UInt32

  /// Drops nothing.
  static let none = Dropout(probability: 0, seed: 0, pass: 0)

  init(probability: Double, seed: UInt64, pass: UInt32) {
    threshold = UInt32((probability * 65536).rounded())
    self.seed = seed
    self.pass = pass
  }

  var isActive: Bool { threshold > 0 }

  /// Kept elements are divided by the exact probability of keeping them.
  private var factor: Float { Float(65536 / Double(65536 - threshold)) }

  /// y = mask ∘ x / (1 - p), or y += that, over one row.
  @unsafe func apply(
    _ x: UnsafePointer<Float>, _ count: Int, module: Int, sequence: UInt32, position: UInt32,
    into y: UnsafeMutablePointer<Float>, add: Bool
  ) {
    var row = tk_dropout_row(
      key: (UInt32(truncatingIfNeeded: seed) ^ 0x4472_6F70, UInt32(truncatingIfNeeded: seed >> 32)),
      module: UInt32(module), position: position, sequence: sequence, pass: pass, threshold: threshold,
      factor: factor)
    unsafe tk_dropout(&row, x, y, count, add)
  }
}
