import ModelFiles

/// Assigns tensors to the blocks of the first layer.
struct TinaPlan {
  struct Block {
    enum Content {
      /// Numbers of tensors.
      case exact([Int], TinaPredictor)
      /// Numbers of entries.
      case pairs([Int])
    }
    var content: Content
    var size = 0
  }

  /// A block of exact tensors ends at this number of elements: small tensors share tables, large ones stay alone.
  static let exactBlockSize = 1 << 16
  /// The same for predicted tensors. Larger blocks have longer stretches of each exponent.
  static let predictedBlockSize = 1 << 19
  /// A block of pairs ends at this number of integers.
  static let pairBlockSize = 1 << 19

  private(set) var blocks: [Block] = []
  /// The block of each tensor.
  private(set) var blockOfTensor: [Int] = []

  private struct Key: Hashable {
    let type: ElementType
    let side: Int
    let predictor: TinaPredictor
  }

  /// - Parameters:
  ///   - entries: the archive's entries in canonical order.
  ///   - tensors: the tensors of each entry.
  ///   - width: bytes of an entry's integers in the first layer; nil for an exact entry.
  ///   - isPlain: whether tensors are stored plainly, each in its own block.
  ///   - predictor: a tensor's predictor, by entry and position.
  init(
    entries: [AdapterEntry], tensors: [[Tensor]], width: (Int) -> Int?, isPlain: Bool,
    predictor: (Int, Int) -> TinaPredictor
  ) {
    var open: [Key: Int] = [:]
    // Pairs whose integers need two bytes get blocks of their own: others would need two bytes too.
    var openPairs: [Int: Int] = [:]
    var number = 0
    for entry in entries.indices {
      if let width = width(entry) {
        let size = tensors[entry].reduce(0) { $0 + $1.elementCount }
        if let block = openPairs[width], case .pairs(let pairs) = blocks[block].content {
          blocks[block].content = .pairs(pairs + [entry])
          blocks[block].size += size
        } else {
          blocks.append(Block(content: .pairs([entry]), size: size))
          openPairs[width] = blocks.count - 1
        }
        let block = openPairs[width] ?? 0
        blockOfTensor += [block, block]
        if isPlain || blocks[block].size >= Self.pairBlockSize { openPairs[width] = nil }
        number += 2
        continue
      }
      for (position, tensor) in tensors[entry].enumerated() {
        let key = Key(
          type: tensor.elementType, side: entries[entry].pair == nil ? 2 : position,
          predictor: predictor(entry, position))
        if let block = open[key], case .exact(let numbers, let its) = blocks[block].content {
          blocks[block].content = .exact(numbers + [number], its)
          blocks[block].size += tensor.elementCount
          blockOfTensor.append(block)
        } else {
          blocks.append(Block(content: .exact([number], key.predictor), size: tensor.elementCount))
          blockOfTensor.append(blocks.count - 1)
          open[key] = blocks.count - 1
        }
        let block = blockOfTensor[number]
        let limit = key.predictor == .none ? Self.exactBlockSize : Self.predictedBlockSize
        if isPlain || tensor.elementType.isPacked || blocks[block].size >= limit {
          open[key] = nil
        }
        number += 1
      }
    }
  }
}
