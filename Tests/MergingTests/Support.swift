import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Merging

/// The tiny models with adapters merged by PEFT (tools/golden/merge.py).
let golden = fixture("merged.safetensors")

/// Merges and returns the report.
///
/// - Parameter damage: called with the folder in which the output is made, when the weights are written and not yet
///   compared.
func merge(
  _ model: String, _ adapters: [(path: String, scale: Float)], to output: String, threads: Int = 2,
  _ change: (inout MergeSettings) -> Void = { _ in }, damage: (@Sendable (String) -> Void)? = nil
) async throws -> MergeReport {
  var settings = MergeSettings()
  change(&settings)
  let base = try Model(path: model, threads: threads)
  let attached = try adapters.map { try AttachedAdapter(Adapter(path: $0.path), to: base, scale: $0.scale) }
  let url = URL(fileURLWithPath: output)
  let folder = url.deletingLastPathComponent().path + "/." + url.lastPathComponent + ".merging"
  return try await Merge(attached, into: base, output: output, settings: settings).run { progress in
    if progress == .verifying { damage?(folder) }
  }.report
}

/// A copy of an adapter whose B is multiplied by `factor`.
func scaledAdapter(_ source: String, by factor: Float, to target: String) throws -> String {
  try FileManager.default.copyItem(atPath: source, toPath: target)
  let file = try SafetensorsFile(path: target + "/adapter_model.safetensors")
  let tensors = file.tensors.map { tensor in
    tensor.name.contains("lora_B")
      ? Tensor(name: tensor.name, shape: tensor.shape, floats: tensor.floats().map { $0 * factor }) : tensor
  }
  try SafetensorsWriter.write(tensors, metadata: file.metadata, to: target + "/adapter_model.safetensors")
  return target
}

/// Distance of two numbers in steps of a type with `bits` bits of fraction, the size of a step being that at
/// the larger of the two.
func steps(_ a: Float, _ b: Float, fraction bits: Int) -> Double {
  let larger = max(abs(a), abs(b), Float.leastNormalMagnitude)
  let step = Double(sign: .plus, exponent: Int(larger.exponent) - bits, significand: 1)
  return abs(Double(a) - Double(b)) / step
}
