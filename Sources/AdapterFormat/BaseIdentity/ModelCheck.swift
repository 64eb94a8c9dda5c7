public import ModelFiles

extension ModelDirectory {
  /// Every tensor that holds a number which is not finite: a float, or the scale of a block.
  ///
  /// Everything is read. Names, places, sizes and types were checked when the model was opened.
  public func nonFinite() -> [ModelFilesError] {
    let plain = weights.tensors.values.filter { [.f32, .f16, .bf16].contains($0.elementType) }
      .sorted { bytesPrecede($0.name, $1.name) }
    let blocks = weights.blocks.values.sorted { bytesPrecede($0.name, $1.name) }
    let found = mapInParallel(plain.count + blocks.count) { index -> ModelFilesError? in
      if index < plain.count {
        let tensor = plain[index]
        return tensor.firstNonFinite.map {
          notFinite(tensor.name, tensor.file?.path, "a number that is not finite, at element \($0)")
        }
      }
      let tensor = blocks[index - plain.count]
      return tensor.firstNonFiniteBlock.map {
        notFinite(tensor.name, nil, "a scale that is not finite, in block \($0) of \(tensor.type.name)")
      }
    }
    return found.compactMap(\.self)
  }

  private func notFinite(_ name: String, _ file: String?, _ found: String) -> ModelFilesError {
    ModelFilesError(
      .badTensor, file: file ?? path, place: "tensor " + quoted(name), found: found,
      expected: "finite numbers",
      advice:
        "The file is damaged, or its writer is: get it again, or make it from the weights that it was made from."
    )
  }
}

extension GGUFTensor {
  /// The first block with a scale, or a minimum, that is infinite or NaN; nil if there is none. Everything else in
  /// a block is integers.
  var firstNonFiniteBlock: Int? {
    let halves: [Int]
    switch type {
    case .q4_0, .q5_0, .q8_0: halves = [0]
    case .q4_1, .q5_1, .q4_K, .q5_K: halves = [0, 2]
    case .q6_K: halves = [208]
    default: return nil
    }
    let size = type.block.bytes
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
