import ModelFiles

extension AdapterArchive {
  /// Notes which base the adapter belongs to, after checking that it fits: every pair has a weight of its shape
  /// there, and an identity that the adapter has already is not contradicted.
  ///
  /// - Throws: ``AdapterError`` listing every module that does not fit, or saying how far apart the bases are.
  public mutating func identify(_ candidate: some BaseCandidate) throws(AdapterError) {
    var violations: [AdapterError.Violation] = []
    let isTransposed = peftConfiguration?["fan_in_fan_out"]?.bool == true
    for entry in entries {
      guard let pair = entry.pair else { continue }
      let wanted: [Int]
      switch entry.content {
      case .embedding: wanted = [pair.inputCount, pair.outputCount]
      case .convolution: wanted = [pair.outputCount] + pair.a.shape.dropFirst()
      default:
        wanted = isTransposed ? [pair.inputCount, pair.outputCount] : [pair.outputCount, pair.inputCount]
      }
      let name = Self.canonicalWeight(entry.module)
      // A table that is tied to the head stands under its own name alone.
      let tensor =
        candidate.tensor(name)
        ?? (name == "lm_head.weight" ? candidate.tensor("embed_tokens.weight") : nil)
      if tensor?.shape != wanted {
        violations.append(
          .init(
            .badTensor, file: candidate.path, place: "module " + quoted(entry.module),
            found: tensor.map { "a weight of shape \($0.shape)" } ?? "no weight \(quoted(name))",
            expected: "a weight of shape \(wanted)", advice: "Name the base that the adapter was trained on.")
        )
      }
    }
    if let base, violations.isEmpty {
      switch base.compare(to: candidate) {
      case .same, .sameInOtherEncoding: return  // the first identity stays: it is of the weights trained on
      case .otherWeights(let difference):
        violations.append(other(candidate, found: difference.description))
      case .otherShape(let differences):
        violations.append(other(candidate, found: differences.joined(separator: "; ")))
      case .undecided(let types):
        violations.append(
          other(candidate, found: "encodings that cannot be compared: \(types.map(\.rawValue))"))
      }
    }
    guard violations.isEmpty else { throw AdapterError(path: candidate.path, violations: violations) }
    base = try BaseIdentity(of: candidate)
  }

  private func other(_ candidate: some BaseCandidate, found: String) -> AdapterError.Violation {
    .init(
      .badValue, file: candidate.path, found: found,
      expected: "the base that the adapter is identified with, \(base?.digestText ?? "")",
      advice: "Name that base, or leave --base out.")
  }

  /// The name of a module's weight in an identity's spelling.
  private static func canonicalWeight(_ module: String) -> String {
    for prefix in ["model.", "transformer."] where module.hasPrefix(prefix) {
      return String(module.dropFirst(prefix.count)) + ".weight"
    }
    return module + ".weight"
  }
}
