import ModelFiles
import Support

extension Adapter {
  /// The content digest that a `.tina` file of this adapter states (spec, section 10). It is the same in every format.
  /// Reads all matrices.
  public func contentDigest() -> ContentDigest {
    var hash = ContentHash()
    for own in entries {
      let entry = TinaCatalog.Entry(
        kind: own.tinaKind, origin: 0, scale: own.pair?.scale ?? 1, alpha: nil, module: own.module, path: "",
        parameter: own.parameter, attributes: nil, errors: [], tensors: 0..<0)
      for (position, tensor) in own.tensors.enumerated() {
        var digest = Digest()
        digest.update(tensor.bytes)
        hash.append(
          entry, position: position, type: tensor.elementType, shape: tensor.shape,
          digest: ContentDigest(digest.finish()))
      }
    }
    return hash.digest
  }
}
