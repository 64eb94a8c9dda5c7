import AdapterFormat
import ModelFiles
public import TinaRuntime

// What forbids a merge, before anything is written or once rounding has shown its loss.
extension Merge {
  /// Refuses several adapters of which one is more than a sum of pairs.
  static func checkSum(_ adapters: [AttachedAdapter]) throws(MergeError) {
    guard adapters.count > 1, let other = adapters.first(where: { !$0.adapter.isScalable }) else { return }
    throw .invalidSetting(
      name: "adapters",
      found:
        "\(adapters.count), of which \(other.adapter.path) has magnitudes (DoRA) or replaces whole parameters",
      expected: "that one alone: it can't be added to others")
  }

  /// The type of GGUF file that holds a base as it is: that of its own float weights.
  ///
  /// - Throws: ``MergeError`` for a quantised base, where a second rounding would take most of a change away.
  public static func ownFileType(_ model: Model) throws(MergeError) -> GGUFFileType {
    if let tensor = model.directory.quantisedTensor {
      let type = tensor.elementType.rawValue
      throw .invalidSetting(
        name: "dtype", found: "none, with a base in \(type)",
        expected:
          "f32, f16, bf16, q8_0 … (--dtype): rounding to \(type) again would take most of the change away. "
          + "On a quantised base keep the adapter attached (tina run MODEL.gguf --adapter …), which loses "
          + "nothing, or merge into the base that it was made from")
    }
    switch model.directory.weights["model.embed_tokens.weight"]?.elementType {
    case .f16: return .f16
    case .bf16: return .bf16
    default: return .f32
    }
  }

  /// Refuses a merge that loses more than half of the change somewhere, unless that is accepted.
  func checkSurvival(_ modules: [ModuleMeasure]) throws(MergeError) {
    guard !settings.acceptsLoss, !modules.lost.isEmpty else { return }
    throw .lost(modules: modules.lost, type: elementTypeName, isStochastic: settings.rounding != .nearest)
  }

  /// The types of the output's matrices.
  var elementTypeName: String {
    if let fileType = settings.fileType { return fileType.rawValue }
    let types = Set(
      model.directory.weights.tensors.values.filter { $0.shape.count == 2 }.map {
        (settings.elementType ?? $0.elementType).rawValue
      })
    return types.sorted().joined(separator: ", ")
  }
}
