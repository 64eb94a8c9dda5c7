import ModelFiles
import Support
import TinaRuntime

/// Compares a merged model with the attached form, and judges the difference.
struct MergeVerification: Sendable {
  /// The attached form's side.
  struct Expected: Sendable {
    let probes: LogitProbes
    let logits: [Float]
  }

  let model: Model
  let adapters: [AttachedAdapter]
  let settings: MergeSettings

  // Activations are float32 on both sides, so that only the weights differ, not the rounding of activations.

  /// Computes the logits of the attached form, unless `stop` is set before.
  func expected(_ stop: StopFlag = StopFlag()) throws -> Expected {
    if stop.isSet { throw CancellationError() }
    let probes = LogitProbes(model, texts: settings.probes)
    let exact =
      model.activations == .f32
      ? model : try Model(model.directory, threads: model.threads, activations: .f32)
    return Expected(
      probes: probes, logits: try probes.logits(exact, AttachedAdapter.sum(adapters, on: exact)))
  }

  /// Opens what was written and compares it.
  ///
  /// - Returns: the comparison, and the private memory when both sides were there.
  /// - Throws: ``MergeError/notEquivalent(found:expected:)`` for a difference that rounding does not explain.
  func check(_ path: String, against expected: Expected) throws -> (check: LogitCheck, memory: Int?) {
    let directory = try StoredModel(path: path)
    let lost = model.config.arithmeticDifferences(directory.config)
    guard lost.isEmpty else { throw GGUFMetadata.refusal(model.config, lost) }
    var window = LayerWindow(directory)
    defer { window.finish() }
    let merged = try Model(directory, threads: model.threads, activations: .f32)
    let logits = try expected.probes.logits(merged) { window.enter($0) }
    let memory = ProcessMemory.privateBytes
    let check = LogitCheck(expected.probes, attached: expected.logits, merged: logits)
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
    return (check, memory)
  }

  /// Whether nothing is rounded: the output is float32.
  private var isExact: Bool {
    if let fileType = settings.fileType { return fileType == .f32 }
    return model.directory.weights.tensors.values.allSatisfy {
      (settings.elementType ?? $0.elementType) == .f32
    }
  }
}
