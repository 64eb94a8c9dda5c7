public import ModelFiles
import Support

/// A model that was opened from a Hugging Face directory or a GGUF file, as an identity sees it.
///
/// - Throws: `ModelFilesError` if a directory's configuration can't be read, or two tensors have one canonical
///   name.
public func openedBase(_ directory: ModelDirectory) throws(ModelFilesError) -> any BaseCandidate {
  directory.gguf == nil ? try HuggingFaceBase(directory) : GGUFBase(directory)
}

extension ModelDirectory {
  /// SHA-256 of the model's weights, in hexadecimal: the identity's digest where every weight is a float, so that
  /// it is the same in any container; else one over names, types and bytes of the file's own tensors.
  ///
  /// - Parameter threads: how many threads hash floats; all processors when nil.
  /// - Throws: ``AdapterError``, or `ModelFilesError` as ``openedBase(_:)`` does.
  public func weightsDigest(threads: Int? = nil) throws -> String {
    guard !weights.blocks.isEmpty else { return hexadecimal(try openedBase(self).digest(threads: threads)) }
    var hash = Digest()
    for tensor in (gguf?.tensors ?? []).sorted(by: { bytesPrecede($0.name, $1.name) }) {
      hash.update(Array("\(tensor.name)\0\(tensor.type.name)\0\(tensor.shape)\0".utf8))
      hash.update(tensor.storage, tensor.byteRange)
    }
    return hexadecimal(hash.finish())
  }
}
