import Foundation
import ModelFiles
import Testing

@testable import TinaRuntime
@testable import Trainer

/// A path under this target's fixtures.
func fixture(_ name: String) -> String {
  Bundle.module.bundleURL.appendingPathComponent("Fixtures/\(name)").path
}

/// The checkout's root, from where this file lies.
let checkout = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

let pico = checkout + "/Models/pico"

/// The tiny random models of the runtime's tests.
func tinyModel(_ name: String) -> String { checkout + "/Tests/RuntimeTests/Fixtures/" + name }

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

func sameBits(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern }
}

/// ‖a - b‖ / ‖b‖
func relativeError(_ a: [Float], _ b: [Float]) -> Double {
  var difference = 0.0
  var norm = 0.0
  for (x, y) in zip(a, b) {
    difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
    norm += Double(y) * Double(y)
  }
  return a.count == b.count ? (difference / max(norm, 1e-300)).squareRoot() : .infinity
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
