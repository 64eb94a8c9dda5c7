import AdapterFormat
import ModelFiles

/// Whether pairs have a place in a model: by their shapes alone, so that nothing need be decoded.
struct AdapterShapes {
  /// The pairs that fit, and where.
  private(set) var places: [(layer: Int, projection: Projection)?] = []
  /// Everything that does not fit.
  private(set) var violations: [String] = []

  init(_ pairs: some Sequence<(module: String, a: [Int], b: [Int])>, _ config: Qwen2Config) {
    var known: [String: (layer: Int, projection: Projection)] = [:]
    for layer in 0..<config.layerCount {
      for projection in Projection.allCases {
        known[projection.module(layer: layer)] = (layer, projection)
      }
    }
    for (module, a, b) in pairs {
      guard let place = known[module] else {
        places.append(nil)
        violations.append(
          "\(module): the base has no such module (it has \(config.layerCount) layers with "
            + Projection.allCases.map(\.path).joined(separator: ", ") + ")")
        continue
      }
      places.append(place)
      let (out, input) = place.projection.shape(config)
      let rank = a.first ?? 0
      if a != [rank, input] {
        violations.append("\(module): lora_A has shape \(a), expected [\(rank), \(input)]")
      }
      if b != [out, rank] {
        violations.append("\(module): lora_B has shape \(b), expected [\(out), \(rank)]")
      }
    }
  }
}

extension AdapterSource {
  /// Compares the shapes that a .tina file states with the model, before anything is decoded.
  ///
  /// - Throws: `RuntimeError.adapterMismatch` with every module that does not fit.
  func checkShapes(for model: Model) throws(RuntimeError) {
    guard let pairs = AdapterFile.undecodedShapes(path: path, layers: layers) else { return }
    let violations = AdapterShapes(pairs, model.config).violations
    guard violations.isEmpty else {
      throw .adapterMismatch(adapter: path, base: model.directory.path, violations: violations)
    }
  }
}
