public import ModelFiles
package import Support

extension StoredModel {
  /// SHA-256 of the model's weights, in hexadecimal: the identity's digest where every weight is a float, so that
  /// it is the same in any container; else one over names, types and bytes of the file's own tensors.
  ///
  /// - Parameter threads: how many threads hash floats; all processors when nil.
  /// - Throws: ``AdapterError``, or `ModelFilesError` as ``StoredBase/init(_:)`` does.
  public func weightsDigest(threads: Int? = nil) throws -> String {
    try weightsDigest(threads: threads, stop: nil)
  }

  /// The same, until `stop` is set: then it throws.
  package func weightsDigest(threads: Int?, stop: StopFlag?) throws -> String {
    guard weights.isQuantised else {
      let digest = try StoredBase(self).digest(threads: threads, stop: stop)
      if stop?.isSet == true { throw CancellationError() }
      return hexadecimal(digest)
    }
    var hash = Digest()
    for tensor in (gguf?.tensors ?? []).sorted(by: { bytesPrecede($0.name, $1.name) }) {
      if stop?.isSet == true { throw CancellationError() }
      hash.update(Array("\(tensor.name)\0\(tensor.elementType.rawValue)\0\(tensor.shape)\0".utf8))
      hash.update(tensor.storage, tensor.byteRange)
    }
    try weights.checkUnchanged()
    return hexadecimal(hash.finish())
  }
}
