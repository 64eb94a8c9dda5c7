public import ModelFiles

extension StoredModel {
  /// Every tensor that holds a number which is not finite: a float, or the scale of a block.
  ///
  /// Reads everything. Opening the model has checked names, places, sizes and types.
  public func nonFinite() -> [ModelFilesError] {
    let tensors = (gguf?.tensors ?? Array(weights.tensors.values)).sorted { bytesPrecede($0.name, $1.name) }
    let found = mapInParallel(tensors.count) { index -> ModelFilesError? in
      tensors[index].notFinite.map {
        ModelFilesError(
          .badTensor, file: tensors[index].file?.path ?? path, place: "tensor " + quoted(tensors[index].name),
          found: $0, expected: "finite numbers",
          advice:
            "The file is damaged, or its writer is: get it again, or make it from the weights that it was"
            + " made from.")
      }
    }
    return found.compactMap(\.self)
  }
}

extension Tensor {
  /// What in it is not finite, for a message; nil if everything is finite.
  fileprivate var notFinite: String? {
    if elementType.readsAsFloats {
      return firstNonFinite.map { "a number that is not finite, at element \($0)" }
    }
    return firstNonFiniteBlock.map { "a scale that is not finite, in block \($0) of \(elementType.rawValue)" }
  }

  /// The first block with a scale, or a minimum, that is infinite or NaN; nil if there is none. Everything else in
  /// a block is integers.
  private var firstNonFiniteBlock: Int? {
    let halves: [Int]
    switch elementType {
    case .q4_0, .q5_0, .q8_0: halves = [0]
    case .q4_1, .q5_1, .q4_K, .q5_K: halves = [0, 2]
    case .q6_K: halves = [208]
    default: return nil
    }
    let size = elementType.block.bytes
    let source = unsafe UnsafeRawBufferPointer(start: baseAddress, count: byteRange.count)
    for block in 0..<byteRange.count / size {
      for half in halves {
        let bits = unsafe UInt16(
          littleEndian: source.loadUnaligned(fromByteOffset: block * size + half, as: UInt16.self))
        if bits & 0x7c00 == 0x7c00 { return block }
      }
    }
    return nil
  }
}
