import ModelFiles
import TinaRuntime

/// Compares a merged model with the attached form, and judges the difference.
struct MergeVerification: Sendable {
  let model: Model
  let adapters: [AttachedAdapter]
  let settings: MergeSettings

  /// Opens what was written and compares it.
  ///
  /// - Throws: ``MergeError/notEquivalent(found:expected:)`` for a difference that rounding does not explain.
  func check(_ path: String, on probes: LogitProbes) async throws -> LogitCheck {
    // One waits for the disk, the other does not.
    let attached = inBackground { try attachedLogits(probes) }
    let merged = try mergedLogits(path, probes)
    let check = LogitCheck(probes, attached: try await attached.value, merged: merged)
    guard check.isFinite else {
      throw MergeError.notEquivalent(found: "logits that are not finite", expected: "finite ones")
    }
    if isExact, check.relativeDifference > 1e-4 {
      throw MergeError.notEquivalent(
        found: "logits that differ by \(scientific(check.relativeDifference)) of their range in float32",
        expected: "at most 1e-4")
    }
    if !settings.acceptsLoss, check.meanDivergence > 0.5 {
      throw MergeError.notEquivalent(
        found: "a divergence of \(decimal(check.meanDivergence, 3)) nats a token from the attached form",
        expected: "at most 0.5")
    }
    return check
  }

  // Activations in float32: what differs then is the weights, not the rounding of what meets quantised ones.

  private func attachedLogits(_ probes: LogitProbes) throws -> [Float] {
    let exact =
      model.activations == .f32 || (model.activations == .int8 && model.directory.weights.blocks.isEmpty)
      ? model : try Model(model.directory, threads: model.threads, activations: .f32)
    return try probes.logits(exact, AttachedAdapter.sum(adapters, on: exact))
  }

  private func mergedLogits(_ path: String, _ probes: LogitProbes) throws -> [Float] {
    let directory = try ModelDirectory(path: path)
    var window = LayerWindow(directory)
    let merged = try Model(directory, threads: model.threads, activations: .f32)
    return try probes.logits(merged) { window.enter($0) }
  }

  /// Whether nothing is rounded: the output is float32.
  private var isExact: Bool {
    if let fileType = settings.fileType { return fileType == .f32 }
    return model.directory.weights.tensors.values.allSatisfy {
      (settings.elementType ?? $0.elementType) == .f32
    }
  }
}
