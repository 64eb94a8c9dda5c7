import ModelFiles

extension Engine {
  /// The logits of every position, `[tokens, vocabulary]`, computed in pieces of `chunk` tokens. For checking numbers:
  /// it holds them all, and blocks until they are there.
  ///
  /// - Throws: `RuntimeError` for an empty prompt, one longer than the context, or ids out of range.
  public func logits(
    tokens: [Int], adapter: AttachedAdapter? = nil, chunk: Int = 64
  ) throws(RuntimeError) -> [Float] {
    try logits(sequences: [tokens], adapter: adapter, chunk: chunk)
  }

  /// The logits of several sequences, one behind the other. Short sequences share a step, and so one pass over the
  /// weights.
  ///
  /// - Parameter entering: told each layer before its weights are touched, and the number of layers before the head's.
  /// - Throws: as for one.
  package func logits(
    sequences: [[Int]], adapter: AttachedAdapter? = nil, chunk: Int, entering: (Int) -> Void = { _ in }
  ) throws(RuntimeError) -> [Float] {
    for tokens in sequences {
      try check(tokens)
      guard tokens.count <= contextLimit else {
        throw .promptTooLong(tokens: tokens.count, context: contextLimit + 1)
      }
    }
    let vocabulary = model.config.vocabSize
    var result: [Float] = []
    result.reserveCapacity(sequences.reduce(0) { $0 + $1.count } * vocabulary)
    var step: [Segment] = []
    var room = max(chunk, 1)
    func compute() {
      guard !step.isEmpty else { return }
      model.compute.exclusive { forward in
        unsafe forward.run(step, entering: entering) { logits, count in
          unsafe result.append(contentsOf: UnsafeBufferPointer(start: logits, count: count * vocabulary))
        }
      }
      step = []
      room = max(chunk, 1)
    }
    for tokens in sequences {
      let cache = SequenceCache(layout)
      var rest = tokens[...]
      while !rest.isEmpty {
        let piece = Array(rest.prefix(room))
        step.append(Segment(tokens: piece, cache: cache, adapter: adapter, logits: 0..<piece.count))
        rest = rest.dropFirst(room)
        room -= piece.count
        if room == 0 { compute() }
      }
    }
    compute()
    try model.checkFiles()
    return result
  }
}
