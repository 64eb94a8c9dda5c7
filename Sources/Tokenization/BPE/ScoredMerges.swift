/// The merges of a SentencePiece vocabulary, made from its scores as Hugging Face's converter makes them: two tokens
/// merge if together they are one, tokens of a higher score first, then those whose first part is longer.
struct ScoredMerges {
  private struct Merge {
    let score: Float
    let leftLength: Int32
    let rightLength: Int32
    let left: Int32
    let right: Int32
    let token: Int32

    /// Whether this merge comes before another.
    func precedes(_ other: Merge) -> Bool {
      if score != other.score { return score > other.score }
      if leftLength != other.leftLength { return leftLength > other.leftLength }
      if rightLength != other.rightLength { return rightLength > other.rightLength }
      return (token, left, right) < (other.token, other.left, other.right)
    }
  }

  /// The longest token in bytes, so that the work stays in proportion to the file.
  static let maximumTokenByteCount = 256
  /// The most merges: several times what the largest vocabularies have.
  static let maximumCount = 1 << 21

  private var merges: [Merge] = []

  /// Adds the merges that make a token; false if there are too many.
  mutating func add(_ text: ArraySlice<UInt8>, id: Int, score: Float, _ vocabulary: Vocabulary) -> Bool {
    let length = text.count(where: { $0 & 0xC0 != 0x80 })
    var before: Int32 = 0
    for border in text.indices.dropFirst() where text[border] & 0xC0 != 0x80 {
      before += 1
      guard let left = vocabulary.id(text[..<border]), let right = vocabulary.id(text[border...]) else {
        continue
      }
      merges.append(
        Merge(
          score: score, leftLength: before, rightLength: Int32(length) - before, left: Int32(left),
          right: Int32(right), token: Int32(id)))
    }
    return merges.count <= Self.maximumCount
  }

  /// What merges, ranked.
  consuming func encoder() -> BytePairEncoder {
    merges.sort { $0.precedes($1) }
    var encoder = BytePairEncoder(mergeCount: merges.count)
    for (rank, merge) in merges.enumerated() {
      encoder.add(Int(merge.left), Int(merge.right), rank: rank, token: Int(merge.token))
    }
    return encoder
  }
}
