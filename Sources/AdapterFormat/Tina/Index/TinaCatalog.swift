import ModelFiles

/// What a .tina file lists: layers, entries, tensors and blocks. Spec §7 calls it the directory.
struct TinaCatalog {
  struct Layer {
    var end: Int
    /// Refinement bits; 0 for the first.
    var bits: Int
    var worstError: Float
    var totalError: Float
  }

  struct Entry {
    var kind: TinaKind
    var origin: UInt8
    var scale: Float
    var alpha: Double?
    var module: String
    var path: String
    var parameter: String
    var attributes: JSONObject?
    var errors: [Float]
    /// Numbers of its tensors.
    var tensors: Range<Int>

    var order: EntryOrder { EntryOrder(module: module, kind: kind, path: path, parameter: parameter) }
  }

  struct TensorRecord {
    var elementType: ElementType
    var shape: [Int]
    var block: Int
    var entry: Int
    var elementCount: Int { shape.contains(0) ? 0 : shape.reduce(1, *) }
    var byteCount: Int { elementCount * elementType.bitSize / 8 }
  }

  struct Stream {
    var codec: TinaCodec
    var length: Int
  }

  struct Block {
    enum Form: UInt8 {
      case exact = 0
      case pairs = 1
      case refinement = 2
    }
    var form: Form
    /// Nil for refinements.
    var elementType: ElementType?
    var isPlain: Bool
    var predictor: TinaPredictor
    /// Number of the refined block.
    var refines = 0
    var digest: [UInt8] = []
    var streams: [Stream] = []
    /// Number of its layer, from 0; set by ``TinaCatalog/connect()``.
    var layer = 0
    /// Form 1: numbers of the blocks that refine it, one for each further layer.
    var refinements: [Int] = []
    /// Numbers of the tensors it holds.
    var tensors: [Int] = []
    /// Where it lies in the file.
    var range = 0..<0
    /// Decoded length of each stream.
    var decoded: [Int] = []

    /// Whether it begins at a multiple of 64, to be used in place.
    var isInPlace: Bool { form != .refinement && isPlain && streams.first?.codec == .stored }
  }

  var seed: UInt64 = 0
  var contentDigest = ContentDigest.zero
  var parent = ContentDigest.zero
  var layers: [Layer] = []
  var entries: [Entry] = []
  var tensors: [TensorRecord] = []
  var blocks: [Block] = []
}

/// The kinds of entries, spec §7.1.
enum TinaKind: UInt8, Sendable, CaseIterable {
  case lowRank = 1
  case convolution = 2
  case embedding = 3
  case magnitude = 4
  case pairBias = 5
  case bias = 6
  case rows = 7
  case full = 8

  var tensorCount: Int {
    switch self {
    case .lowRank, .convolution, .embedding, .rows: 2
    default: 1
    }
  }
  var isPair: Bool { self == .lowRank || self == .convolution || self == .embedding }
  var hasScale: Bool { isPair || self == .pairBias }
}

/// What the words of a block are differences from, spec §8.3 and §8.4.
enum TinaPredictor: UInt8, Sendable {
  case none = 0
  case seeded = 1
  case parent = 2
}
