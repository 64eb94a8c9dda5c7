public import ModelFiles

/// A tensor of a base under its canonical name (spec/base-identity.md, section 1).
public struct BaseTensor: Sendable {
  /// The checkpoint's name without its first `model.` or `transformer.`.
  public let name: String
  /// Sizes from the slowest to the fastest dimension.
  public let shape: [Int]
  /// How its numbers are stored.
  public let elementType: ElementType

  /// Makes a description.
  public init(name: String, shape: [Int], elementType: ElementType) {
    self.name = name
    self.shape = shape
    self.elementType = elementType
  }

  var isMatrix: Bool { shape.count >= 2 }
  var columns: Int { shape.last ?? 1 }
  var rows: Int { shape.dropLast().reduce(1, *) }
}

/// Part of one row of a base's tensor, as floats.
public struct BaseValues: Sendable {
  /// The numbers, dequantised.
  public let values: [Float]
  /// For a quantised tensor, how far apart the numbers are that it can't distinguish at each place
  /// (spec/base-identity.md, section 6.2); empty for a float tensor.
  public let widths: [Double]
  /// What the container added to the numbers before it stored, and rounded, them; 1 for Gemma's norms in GGUF.
  public let storedOffset: Float

  /// Makes a part of a row.
  ///
  /// - Parameters:
  ///   - values: the numbers.
  ///   - widths: as many, or none.
  ///   - storedOffset: what the container added to them.
  public init(_ values: [Float], widths: [Double] = [], storedOffset: Float = 0) {
    self.values = values
    self.widths = widths
    self.storedOffset = storedOffset
  }
}

/// A base model that an identity is made from, or compared with.
public protocol BaseCandidate: Sendable {
  /// Its name in messages: a path.
  var path: String { get }
  /// `model_type` of the checkpoint: `qwen2`.
  var architecture: String { get }
  /// Sizes by the names of spec/base-identity.md, section 2.
  var dimensions: [String: Int] { get }
  /// Every tensor that is part of an identity, in any order, no name twice.
  var tensors: [BaseTensor] { get }
  /// The tensor of a canonical name.
  func tensor(_ name: String) -> BaseTensor?
  /// The numbers at `columns` of a row, in the order of the checkpoint.
  func values(of tensor: BaseTensor, row: Int, columns: Range<Int>) -> BaseValues
  /// SHA-256 of the whole base (section 3).
  ///
  /// - Parameter threads: how many threads hash; all processors when nil.
  /// - Throws: ``AdapterError`` if it has none, because some of it is quantised.
  func digest(threads: Int?) throws(AdapterError) -> [UInt8]
}

extension BaseCandidate {
  /// SHA-256 of the whole base, on all processors.
  ///
  /// - Throws: ``AdapterError`` if it has none, because some of it is quantised.
  public func digest() throws(AdapterError) -> [UInt8] { try digest(threads: nil) }
}
