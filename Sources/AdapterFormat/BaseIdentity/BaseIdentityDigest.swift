import Dispatch
import ModelFiles
import Synchronization
import Support

/// The digest of a base: equal for equal weights (spec/base-identity.md, section 3).
enum BaseDigest {
  private static let magic = Array("tina-base-1\n".utf8)

  /// Hashes every tensor.
  ///
  /// - Parameters:
  ///   - tensors: by canonical name; F32, F16 or BF16.
  ///   - threads: how many threads hash; all processors when nil.
  ///   - stop: ends the work early; the digest is then of no use.
  static func digest(
    _ tensors: [(name: String, tensor: Tensor)], threads: Int? = nil, stop: StopFlag? = nil
  ) -> [UInt8] {
    let sorted = tensors.sorted { bytesPrecede($0.name, $1.name) }
    // The largest first, so that none is left over for one processor at the end.
    let order = sorted.indices.sorted {
      sorted[$0].tensor.byteRange.count > sorted[$1].tensor.byteRange.count
    }
    let parts = Mutex([(type: UInt8, hash: [UInt8])](repeating: (0, []), count: sorted.count))
    let next = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: min(max(threads ?? order.count, 1), order.count)) { _ in
      while true {
        let turn = next.add(1, ordering: .relaxed).oldValue
        guard turn < order.count, stop?.isSet != true else { break }
        let part = hash(sorted[order[turn]].tensor)
        parts.withLock { $0[order[turn]] = part }
      }
    }
    var root = Digest()
    root.update(magic)
    for ((name, tensor), part) in zip(sorted, parts.withLock { $0 }) {
      var entry: [UInt8] = []
      entry += littleEndianBytes(UInt16(clamping: name.utf8.count))
      entry += name.utf8
      entry += [part.type, UInt8(clamping: tensor.shape.count)]
      for size in tensor.shape { entry += littleEndianBytes(UInt64(size)) }
      entry += part.hash
      root.update(entry)
    }
    return root.finish()
  }

  /// The canonical type of a tensor and the hash of its elements in it.
  private static func hash(_ tensor: Tensor) -> (type: UInt8, hash: [UInt8]) {
    let stored = SampledElement(tensor.elementType) ?? .f32
    let narrow = [SampledElement.bf16, .f16].first { $0 != stored && isExact(tensor, stored, in: $0) }
    guard stored != .bf16, let narrow else {
      var hash = Digest()
      hash.update(tensor.bytes)
      return (stored.rawValue, hash.finish())
    }
    var hash = Digest()
    let bytes = tensor.bytes
    var piece: [UInt16] = []
    for i in 0..<tensor.elementCount {
      let value = element(bytes, i, stored)
      piece.append(UInt16(truncatingIfNeeded: narrow.pattern(value)).littleEndian)
      if piece.count == 1 << 15 {
        hash.update(unsafe piece.span.bytes)
        piece.removeAll(keepingCapacity: true)
      }
    }
    hash.update(unsafe piece.span.bytes)
    return (narrow.rawValue, hash.finish())
  }

  private static func isExact(_ tensor: Tensor, _ stored: SampledElement, in type: SampledElement) -> Bool {
    guard stored != .bf16 else { return false }
    let bytes = tensor.bytes
    for i in 0..<tensor.elementCount {
      let value = element(bytes, i, stored)
      let isExact = type == .bf16 ? value.bitPattern & 0xffff == 0 : exactFloat16(value) != nil
      if !isExact { return false }
    }
    return true
  }

  private static func element(_ bytes: borrowing RawSpan, _ i: Int, _ type: SampledElement) -> Float {
    if type == .f32 {
      let pattern = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 4 * i, as: UInt32.self)
      return Float(bitPattern: UInt32(littleEndian: pattern))
    }
    let pattern = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)
    return type.value(UInt32(UInt16(littleEndian: pattern)))
  }
}
