import Foundation
import ModelFiles
import Processes
import Testing

@testable import TinaRuntime
@testable import Trainer

func ints(_ tensor: Tensor) -> [Int] {
  let bytes = tensor.bytes
  return (0..<tensor.elementCount).map {
    Int(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 4 * $0, as: Int32.self))
  }
}

/// Cuts a flat array into pieces of the given lengths.
func pieces<T>(_ flat: [T], _ lengths: [Int]) -> [[T]] {
  var start = 0
  return lengths.map { length in
    defer { start += length }
    return Array(flat[start..<start + length])
  }
}

extension LoRAParameters {
  /// Sets a matrix by its PEFT name, `layers.0.self_attn.q_proj.lora_A`.
  func set(_ name: String, _ numbers: [Float]) -> Bool {
    guard let (pair, offset, count) = place(name), count == numbers.count else { return false }
    _ = pair
    for (i, value) in numbers.enumerated() { unsafe values.pointer[offset + i] = value }
    return true
  }

  func place(_ name: String) -> (TrainedPair, offset: Int, count: Int)? {
    for pair in pairs {
      if name == pair.name + ".lora_A" { return (pair, pair.a, pair.aCount) }
      if name == pair.name + ".lora_B" { return (pair, pair.b, pair.bCount) }
    }
    return nil
  }
}

extension FloatMemory {
  func slice(_ offset: Int, _ count: Int) -> [Float] {
    unsafe Array(UnsafeBufferPointer(start: pointer + offset, count: count))
  }
  var all: [Float] { slice(0, count) }
}

extension UpdateSettings {
  /// Those of a recipe that says nothing.
  static func defaults() throws -> UpdateSettings {
    UpdateSettings(try Recipe(yaml: "{}", path: "defaults.yaml"), rowLimit: 4096)
  }
}

extension PolicyUpdate {
  /// An update with an optimiser of its own.
  convenience init(
    _ pass: PolicyPass, _ parameters: LoRAParameters, _ settings: UpdateSettings,
    _ optimizer: OptimizerSettings = OptimizerSettings(), _ schedule: LearningRateSchedule,
    processes: any ProcessGroup = SingleProcess()
  ) {
    self.init(
      AdapterLearner(pass, parameters, optimizer, schedule, seed: 42, processes: processes), settings)
  }

  func step(_ generation: Generation, iteration: Int) throws -> UpdateMetrics {
    try step(generation, number: iteration)
  }
}
