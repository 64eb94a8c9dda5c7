import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Merging

/// What peft made of them (tools/golden/merge.py).
let golden = fixture("merged.safetensors")

/// Merges and returns what came of it.
func merge(
  _ model: String, _ adapters: [(path: String, scale: Float)], to output: String,
  _ change: (inout MergeSettings) -> Void = { _ in }, tamper: (@Sendable (String) -> Void)? = nil
) async throws -> MergeReport {
  var settings = MergeSettings()
  change(&settings)
  let base = try Model(path: model, threads: 2)
  let attached = try adapters.map { try AttachedAdapter(Adapter(path: $0.path), to: base, scale: $0.scale) }
  var merge = try Merge(attached, into: base, output: output, settings: settings)
  merge.tamper = tamper
  return try await merge.run().report
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
