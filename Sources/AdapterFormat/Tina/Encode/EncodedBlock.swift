import ModelFiles
import Support

/// A block ready to be written.
struct EncodedBlock: Sendable {
  /// A stream's bytes: made for the file, or a tensor's own.
  enum Bytes: Sendable {
    case made([UInt8])
    case tensor(Tensor)

    var count: Int {
      switch self {
      case .made(let bytes): bytes.count
      case .tensor(let tensor): tensor.byteRange.count
      }
    }
  }

  let form: TinaCatalog.Block.Form
  let elementType: ElementType?
  let isPlain: Bool
  let predictor: TinaPredictor
  private(set) var streams: [(codec: TinaCodec, bytes: Bytes)] = []

  init(
    form: TinaCatalog.Block.Form, elementType: ElementType?, isPlain: Bool, predictor: TinaPredictor
  ) {
    self.form = form
    self.elementType = elementType
    self.isPlain = isPlain
    self.predictor = predictor
  }

  var byteCount: Int { streams.reduce(0) { $0 + $1.bytes.count } }

  /// Adds a stream; compresses it if `effort` is given and that makes it smaller.
  mutating func append(
    _ bytes: [UInt8], _ effort: Zstandard.Effort?, cuts: [Int] = [], _ zstd: borrowing Zstandard.Encoder
  ) {
    unsafe bytes.withUnsafeBytes { raw in
      if let effort, let frame = unsafe zstd.encode(raw, effort, cuts: cuts) {
        streams.append((.zstandard, .made(frame)))
      } else {
        streams.append((.stored, .made(bytes)))
      }
    }
  }

  /// Adds a tensor's own bytes.
  mutating func append(_ tensor: Tensor) { streams.append((.stored, .tensor(tensor))) }

  /// The block's record in the catalog.
  func record(refines: Int) -> TinaCatalog.Block {
    var hash = Digest()
    for stream in streams {
      switch stream.bytes {
      case .made(let bytes): unsafe hash.update(bytes.span.bytes)
      case .tensor(let tensor): hash.update(tensor.bytes)
      }
    }
    return TinaCatalog.Block(
      form: form, elementType: elementType, isPlain: isPlain, predictor: predictor, refines: refines,
      digest: Array(hash.finish()[..<16]),
      streams: streams.map { TinaCatalog.Stream(codec: $0.codec, length: $0.bytes.count) })
  }

  /// Encodes tensors bit for bit (spec §8.1).
  ///
  /// - Parameter predicted: the predicted words of each tensor, for predictors 1 and 2.
  static func exact(
    _ tensors: [Tensor], isPlain: Bool, predictor: TinaPredictor, predicted: [Tensor?],
    _ zstd: borrowing Zstandard.Encoder
  ) -> EncodedBlock {
    let type = tensors[0].elementType
    let isPlain = isPlain || type.isPacked
    var block = EncodedBlock(form: .exact, elementType: type, isPlain: isPlain, predictor: predictor)
    guard !isPlain else {
      if tensors.count == 1 {
        block.append(tensors[0])
      } else {
        var bytes: [UInt8] = []
        for tensor in tensors { unsafe tensor.bytes.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
        block.append(bytes, .search, zstd)
      }
      return block
    }
    let count = tensors.reduce(0) { $0 + $1.elementCount }
    let width = type.byteSize
    var cuts: [Int] = []
    let planes = unsafe [UInt8](unsafeUninitializedCapacity: count * width) { out, initialized in
      initialized = count * width
      guard let base = out.baseAddress else { return }
      if predictor == .none {
        unsafe split(tensors, into: base, stride: count, cuts: &cuts)
      } else {
        unsafe split(tensors, predicted.compactMap { $0 }, into: base, stride: count, cuts: &cuts)
      }
    }
    unsafe planes.withUnsafeBytes { raw in
      for plane in 0..<width {
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: raw[plane * count..<(plane + 1) * count])
        if let frame = unsafe zstd.encode(bytes, .entropy, cuts: cuts) {
          block.streams.append((.zstandard, .made(frame)))
        } else {
          unsafe block.streams.append((.stored, .made(Array(bytes))))
        }
      }
    }
    return block
  }
  /// The least length of a stretch of planes with a table of its own.
  private static let leastStretch = 16384

  /// Puts words into planes, tensor after tensor.
  private static func split(
    _ tensors: [Tensor], into base: UnsafeMutablePointer<UInt8>, stride: Int, cuts: inout [Int]
  ) {
    let type = tensors[0].elementType
    var offset = 0
    for tensor in tensors where tensor.elementCount > 0 {
      if offset - (cuts.last ?? 0) >= leastStretch { cuts.append(offset) }
      let n = tensor.elementCount
      unsafe tensor.bytes.withUnsafeBytes { words in
        guard let source = words.baseAddress else { return }
        let transform = type.planeTransform
        switch type.byteSize {
        case 1:
          unsafe Planes.split(
            source, UInt8.self, count: n, transform: transform, into: base, stride: stride, offset: offset)
        case 2:
          unsafe Planes.split(
            source, UInt16.self, count: n, transform: transform, into: base, stride: stride, offset: offset)
        case 4:
          unsafe Planes.split(
            source, UInt32.self, count: n, transform: transform, into: base, stride: stride, offset: offset)
        default:
          unsafe Planes.split(
            source, UInt64.self, count: n, transform: transform, into: base, stride: stride, offset: offset)
        }
      }
      offset += n
    }
  }

  /// Puts differences from predicted words into planes, by the exponent of the predicted word.
  private static func split(
    _ tensors: [Tensor], _ predicted: [Tensor], into base: UnsafeMutablePointer<UInt8>, stride: Int,
    cuts: inout [Int]
  ) {
    var prediction = Prediction(tensors[0].elementType)
    for tensor in predicted {
      unsafe tensor.bytes.withUnsafeBytes { unsafe prediction.count($0) }
    }
    for start in prediction.stretches where start - (cuts.last ?? 0) >= leastStretch { cuts.append(start) }
    for (tensor, its) in zip(tensors, predicted) {
      unsafe tensor.bytes.withUnsafeBytes { words in
        unsafe its.bytes.withUnsafeBytes {
          unsafe prediction.split(words, predicted: $0, into: base, stride: stride)
        }
      }
    }
  }
}
