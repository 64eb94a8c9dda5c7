import Support

/// The identity of an adapter's base, by the content of its weights and never by a name.
///
/// The bytes and the rules are those of spec/base-identity.md.
public struct BaseIdentity: Sendable, Equatable {
  /// A size by name: `hidden`, `layers`.
  public struct Dimension: Sendable, Equatable {
    /// One of the names of section 2.
    public let name: String
    /// The size.
    public let value: Int
  }

  /// `model_type` of the base: `qwen2`.
  public let architecture: String
  /// The base's sizes in the order of their names.
  public let dimensions: [Dimension]
  /// SHA-256 over every weight; equal for equal weights in any file.
  public let digest: [UInt8]
  let sketch: BaseSketch

  /// Identifies a base; reads all of it once for the digest.
  ///
  /// - Throws: ``AdapterError`` if the base is quantised, holds NaN or infinity, or has a name or size that an
  ///   identity can't hold.
  public init(of candidate: some BaseCandidate) throws(AdapterError) {
    // The sketch comes first, because it can fail and is quick.
    let draft = try BaseIdentity(of: candidate, digest: [UInt8](repeating: 0, count: Digest.byteCount))
    self.init(
      architecture: draft.architecture, dimensions: draft.dimensions, digest: try candidate.digest(),
      sketch: draft.sketch)
  }

  /// Identifies a base whose digest is known.
  init(of candidate: some BaseCandidate, digest: [UInt8]) throws(AdapterError) {
    self.init(
      architecture: candidate.architecture,
      dimensions: candidate.dimensions.map { Dimension(name: $0.key, value: $0.value) }
        .sorted { bytesPrecede($0.name, $1.name) },
      digest: digest, sketch: try BaseSketch(of: candidate))
    // No identity is made that a reader would refuse.
    guard try BaseIdentity(bytes: bytes, file: candidate.path) == self else {
      preconditionFailure("an identity that does not read back as itself")
    }
  }

  init(architecture: String, dimensions: [Dimension], digest: [UInt8], sketch: BaseSketch) {
    self.architecture = architecture
    self.dimensions = dimensions
    self.digest = digest
    self.sketch = sketch
  }

  /// The digest in hexadecimal.
  public var digestText: String { hexadecimal(digest) }
}

/// Whether one name comes before another, compared as bytes.
func bytesPrecede(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
