public import ModelFiles

/// A changed adapter, and the error that the change makes in each module.
public struct AdapterChange: Sendable {
  /// The adapter after the change.
  public let archive: AdapterArchive
  /// ‖ΔW − ΔW'‖ / ‖ΔW‖ of every pair that changed; 0 where ΔW is zero.
  public let errors: [(module: String, error: Double)]

  /// The largest of the errors.
  public var worst: (module: String, error: Double)? { errors.max { $0.error < $1.error } }
}

extension AdapterArchive {
  /// The same adapter with every factor in another element type, each number rounded once to nearest even.
  ///
  /// - Parameters:
  ///   - type: F32, F16 or BF16. Entries other than pairs stay as they are.
  ///   - path: the adapter's path, for errors.
  /// - Throws: ``AdapterError`` if a number is beyond the type's range.
  public func converted(to type: ElementType, path: String) throws(AdapterError) -> AdapterChange {
    var violations: [AdapterError.Violation] = []
    for entry in entries {
      for tensor in entry.pair.map({ [$0.a, $0.b] }) ?? [] where type == .f16 && tensor.elementType != .f16 {
        let values = tensor.floats()
        guard let index = values.firstIndex(where: { $0.isFinite && abs($0) >= 65520 }) else { continue }
        violations.append(
          .init(
            .badTensor, file: path, place: "tensor " + quoted(tensor.name),
            found: "\(values[index]) at element \(index)", expected: "numbers below 65,520, F16's range",
            advice: "Choose bf16 or f32."))
      }
    }
    guard violations.isEmpty else { throw AdapterError(path: path, violations: violations) }
    return changed { $0.converted(to: type) }
  }

  /// The nearest adapter of a lower rank: it keeps the largest singular values of every ΔW, shared evenly between
  /// both factors, which become F32. Pairs of that rank or less stay as they are, and so do the scales.
  ///
  /// - Throws: ``AdapterError`` if a number is not finite.
  public func reduced(toRank rank: Int, path: String) throws(AdapterError) -> AdapterChange {
    precondition(rank > 0)
    var violations: [AdapterError.Violation] = []
    for entry in entries {
      for tensor in entry.pair.map({ [$0.a, $0.b] }) ?? [] {
        guard tensor.firstNonFinite != nil else { continue }
        violations.append(
          .init(
            .badTensor, file: path, place: "tensor " + quoted(tensor.name),
            found: "a number that is not finite", expected: "finite numbers"))
      }
      if case .convolution = entry.content {
        violations.append(
          .init(
            .unsupported("convolution"), file: path, place: "module " + quoted(entry.module),
            found: "a low-rank pair of a convolution", expected: "pairs of linear layers and embeddings"))
      }
    }
    guard violations.isEmpty else { throw AdapterError(path: path, violations: violations) }
    return changed { pair in pair.reduced(toRank: rank).pair }
  }

  private func changed(_ change: @Sendable (LowRankPair) -> LowRankPair) -> AdapterChange {
    let entries = entries
    let results: [(AdapterEntry, Double?)] = mapInParallel(entries.count) { index in
      var entry = entries[index]
      guard let pair = entry.pair else { return (entry, nil) }
      let new = change(pair)
      switch entry.content {
      case .convolution: entry.content = .convolution(new)
      case .embedding: entry.content = .embedding(new)
      default: entry.content = .lowRank(new)
      }
      guard pair.isFinite, new.isFinite else { return (entry, nil) }
      if AdapterDifference.areEqual(pair, new) { return (entry, 0) }
      let (distance, norm, _) = LowRankAlgebra.distance(pair, new)
      return (entry, norm > 0 ? distance / norm : 0)
    }
    var archive = self
    archive.entries = results.map(\.0)
    // The configuration's ranks and scales must state those of the new pairs.
    if peftConfiguration != nil, let config = try? PEFTConfigurationWriter(archive).make() {
      archive.configuration = config
    }
    return AdapterChange(
      archive: archive,
      errors: results.compactMap { result in result.1.map { (result.0.module, $0) } })
  }
}
