import AdapterFormat
import ModelFiles

/// SHA-256 of what an adapter computes: names, scales, types, shapes and numbers of its modules, in the order of
/// their names. The same adapter in another file has the same digest.
enum AdapterDigest {
  /// The digest in hexadecimal.
  static func hexadecimal(_ adapter: Adapter) -> String {
    var hash = SHA256()
    hash.update(Array("tina-adapter-1\n".utf8))
    for module in adapter.modules.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
      hash.update(Array("\(module.name)\n\(module.scale.bitPattern)\n".utf8))
      for tensor in [module.a, module.b] {
        hash.update(Array("\(tensor.elementType.rawValue) \(tensor.shape)\n".utf8))
        hash.update(tensor.bytes)
      }
    }
    return AdapterFormat.hexadecimal(hash.finish())
  }
}
