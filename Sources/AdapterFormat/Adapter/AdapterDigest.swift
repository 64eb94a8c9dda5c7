import ModelFiles
import Support

extension Adapter {
  /// The content digest that a `.tina` file of this adapter states (spec, section 10). It is the same in every format.
  /// Reads all matrices.
  public func contentDigest() -> ContentDigest {
    var hash = ContentHash()
    for module in modules {
      let entry = TinaCatalog.Entry(
        kind: .lowRank, origin: 0, scale: module.scale, alpha: nil, module: module.name, path: "",
        parameter: "",
        attributes: nil, errors: [], tensors: 0..<0)
      for (position, tensor) in [module.a, module.b].enumerated() {
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
