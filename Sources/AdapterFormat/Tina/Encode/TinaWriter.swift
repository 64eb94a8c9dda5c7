import Foundation
import ModelFiles

/// Writes adapters to .tina files, whole or not at all.
public enum TinaWriter {
  /// What was written.
  public struct Summary: Sendable {
    /// Size of the file.
    public let byteCount: Int
    /// The file's digest.
    public let fileDigest: ContentDigest
    /// The digest of its content, independent of the encoding.
    public let contentDigest: ContentDigest
    /// End and errors of each layer.
    public let layers: [TinaFile.Layer]
  }

  /// Writes an archive.
  ///
  /// - Parameters:
  ///   - archive: what to write; writing reads its tensors once or twice.
  ///   - path: the file; replaces an existing one when everything is written.
  ///   - options: how to store it.
  /// - Throws: ``AdapterError`` if the archive breaks a rule of the format (such as the length of a name), if numbers
  ///   to be rounded are not finite, or if the system cannot write. It leaves no file then.
  @discardableResult
  public static func write(
    _ archive: AdapterArchive, to path: String, options: TinaOptions = TinaOptions()
  ) throws(AdapterError) -> Summary {
    let file: Encoded
    do throws(TinaFault) {
      file = try encode(archive, options)
    } catch {
      throw error.error(file: path)
    }
    do throws(ModelFilesError) {
      return try save(file, path)
    } catch {
      throw AdapterError(path: path, violations: [.init(error)])
    }
  }

  /// An encoded file in memory.
  struct Encoded: Sendable {
    var index: [UInt8]
    var catalog: TinaCatalog
    var blocks: [EncodedBlock]
    var byteCount: Int
  }

  private static func save(_ file: Encoded, _ path: String) throws(ModelFilesError) -> Summary {
    let writer = try FileWriter(path: path)
    try writer.write(file.index)
    for (block, record) in zip(file.blocks, file.catalog.blocks) {
      try writer.write([UInt8](repeating: 0, count: record.range.lowerBound - writer.byteCount))
      for stream in block.streams {
        switch stream.bytes {
        case .made(let bytes): try writer.write(bytes)
        case .tensor(let tensor): try writer.write(tensor.bytes)
        }
      }
    }
    try writer.finish()
    return Summary(
      byteCount: file.byteCount, fileDigest: ContentDigest(Array(file.index[96..<128])),
      contentDigest: file.catalog.contentDigest, layers: file.catalog.layers.map(TinaFile.Layer.init))
  }

  /// Encodes exactly, within an error, or within a size.
  static func encode(
    _ archive: AdapterArchive, _ options: TinaOptions
  ) throws(TinaFault) -> Encoded {
    switch options.precision {
    case .exact: return try TinaEncoder(archive, options, maxError: nil).encode()
    case .maxError(let error): return try TinaEncoder(archive, options, maxError: error).encode()
    case .maxBytes(let limit): return try fit(archive, options, limit)
    }
  }

  /// Searches the smallest error whose file is within a size.
  private static func fit(
    _ archive: AdapterArchive, _ options: TinaOptions, _ limit: Int
  ) throws(TinaFault) -> Encoded {
    let exact = try TinaEncoder(archive, options, maxError: nil).encode()
    if exact.byteCount <= limit { return exact }
    var best: Encoded?
    var smallest = exact.byteCount
    // The size falls by one bit for each integer when the error doubles; bounds close in on the answer.
    let symbols = Double(
      archive.entries.reduce(0) {
        $0 + ($1.tinaKind == .lowRank ? $1.tensors.reduce(0) { $0 + $1.elementCount } : 0)
      })
    var error = 0.01
    var (low, high) = (2e-5, 0.5)
    for _ in 0..<9 {
      let file = try TinaEncoder(archive, options, maxError: error).encode()
      smallest = min(smallest, file.byteCount)
      if file.byteCount <= limit {
        if best == nil || file.byteCount >= (best?.byteCount ?? 0) { best = file }
        high = error
        if Double(file.byteCount) >= 0.985 * Double(limit) { break }
      } else {
        low = error
      }
      guard symbols > 0, high / low > 1.005 else { break }
      let guess = error * exp2((Double(file.byteCount) - 0.993 * Double(limit)) * 8 / symbols)
      error = guess > low * 1.001 && guess < high * 0.999 ? guess : (low * high).squareRoot()
    }
    guard let best else {
      throw TinaFault(
        .limit, "", found: "a size of at most \(limit) bytes", expected: "at least about \(smallest)",
        advice: "Allow more bytes, or reduce the rank.")
    }
    return best
  }
}
