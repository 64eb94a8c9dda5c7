import AdapterFormat
import ModelFiles
import Support
import TinaRuntime

/// Tells whether an adapter was trained on the base in another precision.
///
/// An adapter that was trained on a base in 4 bits also corrects that base's rounding errors. Merged into the original
/// base, it computes something else than was trained.
enum BasePrecision {
  /// How the base was recognised, and what should be known about it.
  static func judge(_ adapter: Adapter, _ base: any BaseCandidate) -> (base: String, warning: String?) {
    if let name = quantisedName(adapter) {
      return (
        comparison(adapter, base).base,
        "\(adapter.path): its file says it was trained on \(quoted(name)), a quantised base. Its change makes up "
          + "for that base's rounding errors too; merged into \(base.path) it is not quite what was trained. "
          + "Compare both on your task."
      )
    }
    return comparison(adapter, base)
  }

  private static func comparison(
    _ adapter: Adapter, _ base: any BaseCandidate
  ) -> (base: String, warning: String?) {
    guard let identity = adapter.base else { return ("not identified", nil) }
    switch identity.compare(to: base) {
    case .same: return ("same", nil)
    case .sameInOtherEncoding(let deviation, let types):
      let names = types.map(\.rawValue).joined(separator: ", ")
      return (
        "same in another encoding",
        "\(adapter.path): it was trained on this base in another precision; here its weights are \(names), "
          + "\(percent(deviation)) away. Merge into the base that it was trained on to get what was trained."
      )
    case .otherWeights: return ("other weights, merged as asked", nil)
    case .otherShape: return ("another shape", nil)
    case .undecided: return ("undecided", nil)
    }
  }

  /// The name of a quantised base in the adapter's configuration.
  private static func quantisedName(_ adapter: Adapter) -> String? {
    guard let name = adapter.baseModelName else { return nil }
    let marks = [
      "4bit", "8bit", "4-bit", "8-bit", "bnb", "nf4", "gptq", "awq", "int4", "int8", "fp8", "gguf",
    ]
    let lowered = name.lowercased()
    return marks.contains { lowered.contains($0) } ? name : nil
  }
}
